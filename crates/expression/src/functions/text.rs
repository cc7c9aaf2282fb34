//! Functions about texts. Pure.

use std::{borrow::Cow, net::IpAddr};

use pipeline::Decimal;

use super::{ANY, Call, Function};
use crate::{
    error::EvalError,
    operand::{Operand, View},
};

pub(super) const ALL: &[Function] = &[
    Function {
        name: "length",
        arguments: "value",
        n_arguments: (1, 1),
        about: "How many characters (UTF-16 units) a text has, how many members a list or map; null for null.",
        example: ("length(/name)", r#"{"name":"Ada"}"#, "3"),
        uses_fields: false,
        call: length,
    },
    Function {
        name: "contains",
        arguments: "text, part",
        n_arguments: (2, 2),
        about: "Whether one text contains another; false if one is missing.",
        example: (r#"contains(/name, "da")"#, r#"{"name":"Ada"}"#, "true"),
        uses_fields: false,
        call: |call| of_two(call, |text, part| text.contains(part)),
    },
    Function {
        name: "startsWith",
        arguments: "text, beginning",
        n_arguments: (2, 2),
        about: "Whether one text begins with another; false if one is missing.",
        example: (r#"startsWith(/sk, "INV#")"#, r#"{"sk":"INV#7"}"#, "true"),
        uses_fields: false,
        call: |call| of_two(call, |text, part| text.starts_with(part)),
    },
    Function {
        name: "cidrContains",
        arguments: "/field, block, …",
        n_arguments: (2, ANY),
        about: "Whether an address lies in one of these blocks; false if it is missing.",
        example: (
            r#"cidrContains(/ip, "192.0.2.0/24", "2001:db8::/32")"#,
            r#"{"ip":"192.0.2.7"}"#,
            "true",
        ),
        uses_fields: false,
        call: cidr_contains,
    },
    Function {
        name: "substringAfter",
        arguments: "text, delimiter",
        n_arguments: (2, 2),
        about: "What follows the first delimiter; all of it if there is none.",
        example: (r#"substringAfter("a.b.c", ".")"#, "{}", r#""b.c""#),
        uses_fields: false,
        call: |call| part(call, |text, by| text.split_once(by).map(|(_, after)| after)),
    },
    Function {
        name: "substringBefore",
        arguments: "text, delimiter",
        n_arguments: (2, 2),
        about: "What precedes the first delimiter; all of it if there is none.",
        example: (r#"substringBefore("a.b.c", ".")"#, "{}", r#""a""#),
        uses_fields: false,
        call: |call| part(call, |text, by| text.split_once(by).map(|(before, _)| before)),
    },
    Function {
        name: "substringAfterLast",
        arguments: "text, delimiter",
        n_arguments: (2, 2),
        about: "What follows the last delimiter; all of it if there is none.",
        example: (r#"substringAfterLast("a.b.c", ".")"#, "{}", r#""c""#),
        uses_fields: false,
        call: |call| part(call, |text, by| text.rsplit_once(by).map(|(_, after)| after)),
    },
    Function {
        name: "substringBeforeLast",
        arguments: "text, delimiter",
        n_arguments: (2, 2),
        about: "What precedes the last delimiter; all of it if there is none.",
        example: (r#"substringBeforeLast("a.b.c", ".")"#, "{}", r#""a.b""#),
        uses_fields: false,
        call: |call| part(call, |text, by| text.rsplit_once(by).map(|(before, _)| before)),
    },
];

fn length<'a>(call: &Call<'a, '_>) -> Result<Operand<'a>, EvalError> {
    let operand = call.value(0)?;
    let n = match operand.view() {
        View::Null => return Ok(Operand::Null),
        View::Text(text) => text.encode_utf16().count(),
        View::List(values) => values.len(),
        View::Map(map) => map.len(),
        _ => return Err(call.not(0, "a text, a list or a map", &operand)),
    };
    Ok(Operand::Number(Decimal::from(n as u64)))
}

fn of_two<'a>(
    call: &Call<'a, '_>,
    holds: impl Fn(&str, &str) -> bool,
) -> Result<Operand<'a>, EvalError> {
    let (text, part) = (call.text(0)?, call.text(1)?);
    Ok(Operand::Bool(matches!((text, part), (Some(text), Some(part)) if holds(&text, &part))))
}

fn part<'a>(
    call: &Call<'a, '_>,
    cut: impl for<'t> Fn(&'t str, &str) -> Option<&'t str>,
) -> Result<Operand<'a>, EvalError> {
    let (text, delimiter) = (call.text(0)?, call.text(1)?);
    let Some(text) = text else { return Ok(Operand::Null) };
    let delimiter = delimiter.unwrap_or_default();
    if delimiter.is_empty() {
        return Ok(Operand::Text(text));
    }
    Ok(Operand::Text(match text {
        Cow::Borrowed(text) => Cow::Borrowed(cut(text, &delimiter).unwrap_or(text)),
        Cow::Owned(text) => match cut(&text, &delimiter).map(str::to_owned) {
            Some(part) => Cow::Owned(part),
            None => Cow::Owned(text),
        },
    }))
}

fn cidr_contains<'a>(call: &Call<'a, '_>) -> Result<Operand<'a>, EvalError> {
    let operand = call.field(0)?;
    if matches!(operand.view(), View::Null) {
        return Ok(Operand::Bool(false));
    }
    let address = call.needed_text(0)?;
    let Ok(address) = address.parse::<IpAddr>() else {
        return Err(call.wrong(format!("`{address}` is not an IP address")));
    };
    let mut found = false;
    for n in 1..call.arguments.len() {
        let block = call.needed_text(n)?;
        let Some(contains) = is_in_block(address, &block) else {
            let problem = format!("`{block}` is not a block of addresses, as `192.0.2.0/24` is");
            return Err(call.wrong(problem));
        };
        found |= contains;
    }
    Ok(Operand::Bool(found))
}

/// Whether `192.0.2.0/24` contains the address; `None` if it is no block.
fn is_in_block(address: IpAddr, block: &str) -> Option<bool> {
    let (network, length) = match block.split_once('/') {
        Some((network, length)) => (network, Some(length.parse::<u32>().ok()?)),
        None => (block, None),
    };
    let (network, network_bits) = bits(network.parse().ok()?);
    let (address, address_bits) = bits(address);
    let length = length.unwrap_or(network_bits);
    if network_bits < length {
        return None;
    }
    let n_free = network_bits - length;
    let same = address.checked_shr(n_free).unwrap_or(0) == network.checked_shr(n_free).unwrap_or(0);
    Some(network_bits == address_bits && same)
}

fn bits(address: IpAddr) -> (u128, u32) {
    match address {
        IpAddr::V4(address) => (u128::from(address.to_bits()), 32),
        IpAddr::V6(address) => (address.to_bits(), 128),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_contains_what_begins_alike() {
        for (address, block, expected) in [
            ("192.0.2.63", "192.0.2.0/26", Some(true)),
            ("192.0.2.64", "192.0.2.0/26", Some(false)),
            ("10.1.2.3", "0.0.0.0/0", Some(true)),
            ("10.1.2.3", "10.1.2.3", Some(true)),
            ("10.1.2.3", "::/0", Some(false)),
            ("2001:db8:aaaa:bbbb::", "2001:0db8::/32", Some(true)),
            ("::1", "::/0", Some(true)),
            ("10.1.2.3", "10.0.0.0/33", None),
            ("10.1.2.3", "10.0.0/8", None),
            ("10.1.2.3", "10.0.0.0/", None),
        ] {
            assert_eq!(is_in_block(address.parse().unwrap(), block), expected, "{address} {block}");
        }
    }
}
