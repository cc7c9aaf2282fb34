//! XML text as a value. Pure.

use pipeline::{Map, Value};
use quick_xml::{
    Reader,
    events::{BytesStart, Event},
};

/// How deep elements may be nested.
const DEPTH_MAX: usize = 128;

/// An element that has begun.
#[derive(Default)]
struct Element {
    name: String,
    fields: Map,
    text: String,
}

/// Reads all of `text`; the value is what the outermost element holds.
pub(super) fn read(text: &str) -> Result<Value, String> {
    let mut reader = Reader::from_str(text);
    let mut open: Vec<Element> = Vec::new();
    let mut root = None;
    loop {
        let event = reader.read_event().map_err(|error| format!("not XML: {error}"))?;
        match event {
            Event::Start(start) => {
                if DEPTH_MAX < open.len() {
                    return Err(format!("nested more than {DEPTH_MAX} elements deep"));
                }
                if root.is_some() {
                    return Err("not XML: a second outermost element".to_owned());
                }
                open.push(begin(&start)?);
            }
            Event::Empty(start) => {
                let element = begin(&start)?;
                end(element, &mut open, &mut root)?;
            }
            Event::End(_) => {
                let element = open.pop().ok_or("not XML: an element ends that never began")?;
                end(element, &mut open, &mut root)?;
            }
            Event::Text(part) => {
                add_text(&part, &mut open)?;
            }
            Event::CData(part) => {
                add_text(&part, &mut open)?;
            }
            Event::GeneralRef(name) => {
                add_text(&resolved(&name)?, &mut open)?;
            }
            Event::Eof => break,
            Event::Comment(_) | Event::Decl(_) | Event::PI(_) | Event::DocType(_) => {}
        }
    }
    match (open.last(), root) {
        (Some(element), _) => Err(format!("not XML: `{}` never ends", element.name)),
        (None, None) => Err("not XML: there is no element".to_owned()),
        (None, Some(value @ Value::Map(_))) => Ok(value),
        (None, Some(text)) => Ok(Value::Map(Map::from_iter([(String::new(), text)]))),
    }
}

fn begin(start: &BytesStart<'_>) -> Result<Element, String> {
    let name = start.local_name().as_ref().to_owned();
    let mut fields = Map::default();
    for attribute in start.attributes() {
        let attribute = attribute.map_err(|error| format!("not XML: {error}"))?;
        let key = attribute.key.as_ref();
        if key == "xmlns" || key.starts_with("xmlns:") {
            continue;
        }
        let key = attribute.key.local_name().as_ref().to_owned();
        fields.insert(key, Value::String(unescaped(&attribute.value)?));
    }
    Ok(Element { name, fields, text: String::new() })
}

/// The text of an attribute, with what its references stand for.
fn unescaped(raw: &str) -> Result<String, String> {
    let mut out = String::new();
    let mut rest = raw;
    while let Some((before, after)) = rest.split_once('&') {
        let (name, after) = after.split_once(';').ok_or("not XML: `&` without `;`")?;
        out.push_str(before);
        out.push_str(&resolved(name)?);
        rest = after;
    }
    out.push_str(rest);
    Ok(out)
}

/// What `&name;` stands for. Only the five that every XML has, and characters by number.
fn resolved(name: &str) -> Result<String, String> {
    let known = match name {
        "lt" => Some('<'),
        "gt" => Some('>'),
        "amp" => Some('&'),
        "quot" => Some('"'),
        "apos" => Some('\''),
        _ => {
            let number = name.strip_prefix('#').and_then(|it| match it.strip_prefix(['x', 'X']) {
                Some(hex) => u32::from_str_radix(hex, 16).ok(),
                None => it.parse().ok(),
            });
            number.and_then(char::from_u32)
        }
    };
    known.map(String::from).ok_or_else(|| format!("not XML: `&{name};` is not known"))
}

fn add_text(part: &str, open: &mut [Element]) -> Result<(), String> {
    match open.last_mut() {
        Some(element) => element.text.push_str(part),
        None if part.trim().is_empty() => {}
        None => return Err("not XML: text outside of all elements".to_owned()),
    }
    Ok(())
}

fn end(element: Element, open: &mut [Element], root: &mut Option<Value>) -> Result<(), String> {
    let Element { name, mut fields, text } = element;
    let value = if fields.is_empty() {
        Value::String(text)
    } else {
        if !text.trim().is_empty() {
            fields.insert(String::new(), Value::String(text));
        }
        Value::Map(fields)
    };
    let Some(parent) = open.last_mut() else {
        if root.replace(value).is_some() {
            return Err("not XML: a second outermost element".to_owned());
        }
        return Ok(());
    };
    match parent.fields.get_mut(&name) {
        None => {
            parent.fields.insert(name, value);
        }
        Some(Value::List(values)) => values.push(value),
        Some(first) => *first = Value::List(vec![std::mem::take(first), value]),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn elements_become_fields() {
        for (xml, json) in [
            ("<a/>", r#"{"":""}"#),
            ("<a>x</a>", r#"{"":"x"}"#),
            ("<?xml version='1.0'?><!-- c --><a><b/></a>\n", r#"{"b":""}"#),
            ("<a><b>1</b> <b>2</b><b>3</b></a>", r#"{"b":["1","2","3"]}"#),
            ("<a k='v'>x</a>", r#"{"k":"v","":"x"}"#),
            ("<n:a xmlns:n='u'><n:b>1</n:b></n:a>", r#"{"b":"1"}"#),
            ("<a><b>&lt;&amp;&#65;<![CDATA[<x>]]></b></a>", r#"{"b":"<&A<x>"}"#),
            ("<a b='&quot;&#x41;'/>", r#"{"b":"\"A"}"#),
            ("<a><b><c>1</c></b></a>", r#"{"b":{"c":"1"}}"#),
        ] {
            assert_eq!(read(xml).map(|it| it.to_string()).as_deref(), Ok(json), "{xml}");
        }
        for bad in
            ["", "x", "<a>", "<a></b>", "<a/><b/>", "<a/>x", "<a>&nope;</a>", "</a>", "<a b='&'/>"]
        {
            assert!(read(bad).is_err(), "{bad}");
        }
        assert!(read(&"<a>".repeat(1000)).is_err());
    }
}
