//! How long a condition takes for one event.

use std::{hint::black_box, time::Duration};

use expression::{Expression, Template};
use pipeline::{Document, Event, Value};
use tokio::time::Instant;

const N: u32 = 2_000_000;

pub(crate) fn run() -> anyhow::Result<()> {
    println!("## Expression: one event, compiled once");
    let document = r#"{"kind":"order","price":1012.50,"country":"NL","customer":{"name":"Ada"},"lines":[{"sku":"a"}]}"#;
    let Ok(Value::Map(fields)) = Value::from_json(document.as_bytes()) else {
        anyhow::bail!("the document is an object");
    };
    let event = Event { document: Document::Fields(fields), ..Event::default() };
    for text in [
        r#"/kind == "order""#,
        "/price > 1012.25",
        "/price > 10 and /kind == \"order\"",
        r#"/country in {"NL", "BE", "DE"}"#,
        r#"/customer/name =~ "A[a-z]+""#,
        "/missing == null",
    ] {
        let expression = Expression::parse(text).map_err(|error| anyhow::anyhow!("{error}"))?;
        let took = nanoseconds_of(|| {
            black_box(black_box(&expression).holds(black_box(&event)));
        });
        println!("{text:<40} {took:>6.1} ns");
    }
    let template = Template::parse("orders-${/country}").map_err(|it| anyhow::anyhow!("{it}"))?;
    let mut out = String::new();
    let took = nanoseconds_of(|| {
        out.clear();
        let _ = black_box(&template).render(black_box(&event), &mut out);
        black_box(&out);
    });
    println!("{:<40} {took:>6.1} ns", template.to_string());
    println!();
    Ok(())
}

/// The best of some rounds: what else the machine does only makes them longer.
fn nanoseconds_of(mut work: impl FnMut()) -> f64 {
    let mut best = Duration::MAX;
    for _ in 0..5 {
        let began = Instant::now();
        for _ in 0..N {
            work();
        }
        best = best.min(began.elapsed());
    }
    best.as_secs_f64() * 1e9 / f64::from(N)
}
