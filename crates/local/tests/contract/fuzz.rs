//! The same random requests to ours and to another, and what each makes of them.
//!
//! `STREAMDEX_FUZZ_SEED` replays one run, `STREAMDEX_FUZZ_ROUNDS` makes it longer.

use std::fmt::Write;

use serde_json::json;

use crate::{
    generate::{Generator, Request},
    suite::sorted,
    target::{Outcome, Target},
};

/// Some seconds' worth.
const ROUNDS: u64 = 400;
/// How many requests are made of the items of one round.
const REQUESTS: usize = 8;
/// How many differences are shown.
const SHOWN_MAX: usize = 12;

pub(crate) async fn compare(ours: &Target, other: &Target) {
    let from_environment = |name: &str| std::env::var(name).ok()?.parse::<u64>().ok();
    let seed = from_environment("STREAMDEX_FUZZ_SEED").unwrap_or(1);
    let rounds = from_environment("STREAMDEX_FUZZ_ROUNDS").unwrap_or(ROUNDS);
    let key = |name: &str, kind: &str| json!({ "AttributeName": name, "KeyType": kind });
    let table = json!({
        "TableName": "fuzz", "BillingMode": "PAY_PER_REQUEST",
        "KeySchema": [key("id", "HASH"), key("r", "RANGE")],
        "AttributeDefinitions": [
            { "AttributeName": "id", "AttributeType": "S" },
            { "AttributeName": "r", "AttributeType": "N" },
        ],
    });
    ours.create(&table).await;
    other.create(&table).await;
    let mut generator = Generator::new(seed);
    let (mut differences, mut n_done, mut n_agreed) = (Vec::new(), 0_u64, 0_u64);
    for round in 0..rounds {
        let partition = format!("round {round}");
        for _ in 0..3 {
            let mut item = generator.item();
            item.extend(generator.key(&partition));
            let put =
                Request { call: "PutItem", body: json!({ "TableName": "fuzz", "Item": item }) };
            let (mine, theirs) = both(ours, other, &put).await;
            assert!(mine.is_ok() && theirs.is_ok(), "{}: {mine:?} {theirs:?}", put.body);
        }
        for _ in 0..REQUESTS {
            let request = generator.request(&partition);
            let (mine, theirs) = both(ours, other, &request).await;
            n_done += 1;
            n_agreed += u64::from(mine.is_ok() && theirs.is_ok());
            let all = Request {
                call: "Query",
                body: json!({
                    "TableName": "fuzz", "KeyConditionExpression": "id = :id",
                    "ExpressionAttributeValues": { ":id": { "S": partition } },
                }),
            };
            let (my_items, their_items) = both(ours, other, &all).await;
            let is_alike = is_alike(&mine, &theirs) && my_items == their_items;
            if !is_alike && explained(&request, &mine, &theirs).is_none() {
                let mut shown = format!(
                    "round {round}: {} {}\n  ours:   {}\n  theirs: {}",
                    request.call,
                    request.body,
                    text(&mine),
                    text(&theirs)
                );
                if my_items != their_items {
                    let (mine, theirs) = (text(&my_items), text(&their_items));
                    let _ = write!(shown, "\n  our items:   {mine}\n  their items: {theirs}");
                }
                differences.push(shown);
            }
            if my_items != their_items {
                // What follows would only say the same again.
                break;
            }
        }
        if SHOWN_MAX <= differences.len() {
            break;
        }
    }
    eprintln!("seed {seed}: {n_done} requests, {n_agreed} of them carried out by both");
    assert!(
        differences.is_empty(),
        "ours and {} answer differently (STREAMDEX_FUZZ_SEED={seed}):\n{}",
        other.name,
        differences.join("\n")
    );
    assert!(n_done / 5 < n_agreed, "most requests make no sense; the generator has lost its way");
}

async fn both(ours: &Target, other: &Target, request: &Request) -> (Outcome, Outcome) {
    let Request { call, body } = request;
    let (mine, theirs) = tokio::join!(ours.ask(call, body), other.ask(call, body));
    (mine.map(|it| sorted(&it)), theirs.map(|it| sorted(&it)))
}

/// The same answer, or a refusal of the same kind; its words are the suite's business.
fn is_alike(mine: &Outcome, theirs: &Outcome) -> bool {
    match (mine, theirs) {
        (Ok(mine), Ok(theirs)) => mine == theirs,
        (Err(mine), Err(theirs)) => mine.kind == theirs.kind,
        _ => false,
    }
}

fn text(outcome: &Outcome) -> String {
    match outcome {
        Ok(answer) => answer.to_string(),
        Err(refusal) => format!("{refusal:?}"),
    }
}

/// Why dynalite answers differently, where AWS's documentation is on our side. All of it stands in
/// `differences.json` as well.
fn explained(request: &Request, mine: &Outcome, theirs: &Outcome) -> Option<&'static str> {
    let has = |text: &str| request.body.to_string().contains(text);
    let words = ["SET", "REMOVE", "ADD", "DELETE", "BETWEEN", "AND", "OR", "NOT"];
    let is_dense = || words.iter().any(|it| has(&format!("{it}#")) || has(&format!("{it}:")));
    let update = request.body["UpdateExpression"].as_str().unwrap_or_default();
    match (mine, theirs) {
        (Ok(mine), Ok(theirs)) if theirs["Attributes"] == json!({}) && *mine == json!({}) => {
            Some("an empty `Attributes`")
        }
        (Ok(_), Ok(_)) if update.contains("SET ") && update.contains("REMOVE ") => {
            Some("what SET copies from one path to another is still changed by REMOVE")
        }
        (Ok(_), theirs) if has("size(") => {
            let is_unseen = match theirs {
                Ok(_) => true,
                Err(theirs) => theirs.kind == "ConditionalCheckFailedException",
            };
            is_unseen.then_some("a size of 0 is not seen")
        }
        (_, Err(theirs)) if theirs.message.contains("Syntax error") && is_dense() => {
            Some("its parser needs a space")
        }
        (Err(mine), Ok(_)) if mine.message.contains("more than 38 significant digits") => {
            Some("the range and precision of what an update computes")
        }
        (Err(mine), Ok(_)) if mine.message.contains("Number overflow") => {
            Some("the range and precision of what an update computes")
        }
        (Err(mine), theirs) if mine.message.contains("Incorrect operand type") => {
            let is_later = match theirs {
                Ok(_) => true,
                Err(theirs) => theirs.kind == "ConditionalCheckFailedException",
            };
            is_later.then_some("an operand's type is not checked until an item makes it look")
        }
        _ => None,
    }
}
