//! Any text as an expression, and as a text with holes: parsed, or refused; evaluated, or an error.

#![no_main]

use expression::{Expression, Template};
use libfuzzer_sys::fuzz_target;
use pipeline::Value;

const EVENT: &str = r#"{"a":1.50,"b":"text","l":[1,"x",null],"m":{"n":{"o":true}},"t":"2025-06-05T04:03:02Z",
"ip":"10.0.0.1","e":1749096182000,"z":null,"big":12345678901234567890123456789012345678}"#;

fuzz_target!(|text: &str| {
    let Ok(Value::Map(fields)) = Value::from_json(EVENT.as_bytes()) else { unreachable!() };
    let event = fuzz::fields(fields);
    if let Ok(expression) = Expression::parse(text) {
        let _ = expression.eval(&event);
        let _ = expression.is_true(&event);
    }
    if let Ok(template) = Template::parse(text) {
        let _ = template.render(&event, &mut String::new());
    }
});
