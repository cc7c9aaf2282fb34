use proptest::{prelude::*, test_runner::TestCaseResult};
use wire::attribute_value::read_attributes;

use super::{
    ast::*,
    tests::{ITEM, placeholders},
    *,
};

proptest! {
    /// A condition printed and read again is the same condition.
    #[test]
    fn a_condition_comes_back(logic in any_logic()) {
        prop_assert_eq!(parser::logic(Role::Filter, &logic.to_string()), Ok(logic));
    }

    /// An update printed and read again is the same update.
    #[test]
    fn an_update_comes_back(sections in any_sections()) {
        check_an_update_comes_back(&sections)?;
    }

    /// No text at all makes it panic, whether or not it means something.
    #[test]
    fn any_text_is_read_or_refused(words in prop::collection::vec(any_word(), 0..30), glue in "| ") {
        check_any_text_is_read_or_refused(&words.join(&glue));
    }
}

fn check_an_update_comes_back(sections: &Sections) -> TestCaseResult {
    let text = sections.to_string();
    if text.is_empty() {
        return Ok(());
    }
    prop_assert_eq!(
        &parser::sections(&text).map_err(|error| TestCaseError::fail(error.0))?,
        sections
    );
    Ok(())
}

fn check_any_text_is_read_or_refused(text: &str) {
    if let Ok(condition) = Condition::parse(Role::Condition, text, &mut placeholders()) {
        condition.holds(ITEM.as_bytes());
        condition.holds(b"{}");
    }
    if let Ok(update) = Update::parse(text, &mut placeholders()) {
        let _ = update.apply(&mut read_attributes(ITEM.as_bytes()).unwrap());
    }
    if let Ok(projection) = Projection::parse(text, &mut placeholders()) {
        projection.write(ITEM.as_bytes(), &mut Vec::new());
    }
    let _ = KeyCondition::parse(text, "n", Some("author"), &mut placeholders());
}

fn any_word() -> impl Strategy<Value = String> {
    let words = "n author pages tree tags absent #n #odd :n5 :s :ss :l :t ( ) [ ] . , = <> < >= + - AND OR NOT BETWEEN IN SET REMOVE ADD DELETE size contains begins_with attribute_exists if_not_exists list_append 0 1 99";
    let words: Vec<String> = words.split(' ').map(str::to_owned).collect();
    prop_oneof![20 => prop::sample::select(words), 1 => ".{0,3}"]
}

fn any_path() -> impl Strategy<Value = Path> {
    let name =
        || prop::sample::select(vec!["author", "#n", "pages", "x_1"]).prop_map(str::to_owned);
    let step = prop_oneof![name().prop_map(Step::Name), (0..100usize).prop_map(Step::Index)];
    (name(), prop::collection::vec(step, 0..3))
        .prop_map(|(first, rest)| Path([vec![Step::Name(first)], rest].concat()))
}

fn any_operand() -> impl Strategy<Value = Operand> {
    let plain = prop_oneof![
        any_path().prop_map(Operand::Path),
        prop::sample::select(vec![":v", ":w1"]).prop_map(|it| Operand::Value(it.to_owned())),
    ];
    plain.prop_recursive(2, 4, 2, |inner| {
        let name = prop::sample::select(vec!["size", "if_not_exists", "nonsense"]);
        (name, prop::collection::vec(inner, 1..3)).prop_map(|(function, arguments)| {
            Operand::Call(Call { function: function.to_owned(), arguments })
        })
    })
}

fn any_logic() -> impl Strategy<Value = Logic> {
    let comparator = prop::sample::select(vec!["=", "<>", "<", "<=", ">", ">="])
        .prop_map(|it| Comparator::of_symbol(it).unwrap());
    let leaf = prop_oneof![
        (any_operand(), comparator, any_operand()).prop_map(|(a, it, b)| Logic::Compare(a, it, b)),
        (any_operand(), any_operand(), any_operand()).prop_map(|(a, b, c)| Logic::Between(a, b, c)),
        (any_operand(), prop::collection::vec(any_operand(), 1..3))
            .prop_map(|(a, pages)| Logic::In(a, pages)),
        prop::collection::vec(any_operand(), 1..3)
            .prop_map(|arguments| Logic::Call(Call { function: "contains".to_owned(), arguments })),
    ];
    leaf.prop_recursive(4, 12, 2, |inner| {
        let boxed = || inner.clone().prop_map(Box::new);
        prop_oneof![
            (boxed(), boxed()).prop_map(|(a, b)| Logic::And(a, b)),
            (boxed(), boxed()).prop_map(|(a, b)| Logic::Or(a, b)),
            boxed().prop_map(Logic::Not),
        ]
    })
}

fn any_sections() -> impl Strategy<Value = Sections> {
    let sum = prop_oneof![
        any_operand(),
        (any_operand(), any::<bool>(), any_operand()).prop_map(|(a, plus, b)| {
            let sign = if plus { Sign::Plus } else { Sign::Minus };
            Operand::Sum(Box::new(a), sign, Box::new(b))
        }),
    ];
    let pair = || prop::collection::vec((any_path(), Just(":v".to_owned())), 0..3);
    (
        prop::collection::vec((any_path(), sum), 0..3),
        prop::collection::vec(any_path(), 0..3),
        pair(),
        pair(),
    )
        .prop_map(|(set, remove, add, delete)| Sections { set, remove, add, delete })
}
