//! Functions about lists, maps and the whole document. Pure.

use std::borrow::Cow;

use pipeline::{Map, Value};

use super::{Call, Function};
use crate::{
    error::EvalError,
    operand::{Operand, View, write_text},
};

pub(super) const ALL: &[Function] = &[
    Function {
        name: "join",
        arguments: "[delimiter,] list",
        n_arguments: (1, 2),
        about: "The elements of a list as one text, with `,` or the delimiter between them. In a map, each list becomes a text.",
        example: (r#"join("; ", /names)"#, r#"{"names":["Ada","Bob",3]}"#, r#""Ada; Bob; 3""#),
        uses_fields: false,
        call: join,
    },
    Function {
        name: "subList",
        arguments: "list, from, to",
        n_arguments: (3, 3),
        about: "The elements of a list from one position up to, not including, another; `-1` is the end.",
        example: ("subList(/names, 1, -1)", r#"{"names":["Ada","Bob","Cid"]}"#, r#"["Bob","Cid"]"#),
        uses_fields: false,
        call: sub_list,
    },
    Function {
        name: "toJsonString",
        arguments: "",
        n_arguments: (0, 0),
        about: "The whole document as JSON text.",
        example: ("length(toJsonString())", r#"{"a":1}"#, "7"),
        uses_fields: true,
        call: to_json_string,
    },
];

fn join<'a>(call: &Call<'a, '_>) -> Result<Operand<'a>, EvalError> {
    let (delimiter, list) = match call.arguments.len() {
        1 => (Cow::Borrowed(","), 0),
        _ => (call.needed_text(0)?, 1),
    };
    let delimiter = delimiter.replace("\\,", ",");
    let operand = call.value(list)?;
    match operand.view() {
        View::List(values) => Ok(Operand::Text(Cow::Owned(joined(values, &delimiter)))),
        View::Map(map) => {
            let join_one = |value: &Value| match value {
                Value::List(values) => Value::String(joined(values, &delimiter)),
                other => other.clone(),
            };
            let map: Map = map.iter().map(|(key, value)| (key.clone(), join_one(value))).collect();
            Ok(Operand::Made(Value::Map(map)))
        }
        _ => Err(call.not(list, "a list or a map", &operand)),
    }
}

fn joined(values: &[Value], delimiter: &str) -> String {
    let mut text = String::new();
    for (n, value) in values.iter().enumerate() {
        if 0 < n {
            text.push_str(delimiter);
        }
        match value {
            Value::Null => text.push_str("null"),
            value => write_text(value, &mut text),
        }
    }
    text
}

fn sub_list<'a>(call: &Call<'a, '_>) -> Result<Operand<'a>, EvalError> {
    let operand = call.value(0)?;
    let View::List(values) = operand.view() else {
        return match operand.view() {
            View::Null => Ok(Operand::Null),
            _ => Err(call.not(0, "a list", &operand)),
        };
    };
    let position = |n: usize| -> Result<usize, EvalError> {
        let operand = call.value(n)?;
        let number = match operand.view() {
            View::Number(crate::operand::Digits::Decimal(number)) => number.to_i64(),
            _ => None,
        };
        match number {
            Some(-1) if n == 2 => Ok(values.len()),
            Some(number) => usize::try_from(number).map_err(|_| call.not(n, "0 or more", &operand)),
            None => Err(call.not(n, "a whole number", &operand)),
        }
    };
    let (from, to) = (position(1)?, position(2)?.min(values.len()));
    Ok(Operand::Made(Value::List(values.get(from..to).unwrap_or_default().to_vec())))
}

fn to_json_string<'a>(call: &Call<'a, '_>) -> Result<Operand<'a>, EvalError> {
    let fields = call.scope.fields.ok_or(EvalError::Closed)?;
    Ok(Operand::Text(Cow::Owned(Value::Map(fields.clone()).to_string())))
}
