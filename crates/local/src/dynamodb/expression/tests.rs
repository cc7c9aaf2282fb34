use std::collections::BTreeMap;

use wire::attribute_value::{AttributeValue, Attributes, read_attributes, write_attributes};

use super::{ast::*, *};

pub(super) const ITEM: &str = r##"{"#odd":{"S":"x"},"author":{"S":"Dan Brown"},"blob_1":{"B":"AQID"},"flagged":{"BOOL":true},"n":{"N":"10"},"nil":{"NULL":true},"nums":{"NS":["1","2"]},"pages":{"L":[{"N":"1"},{"S":"two"}]},"tags":{"SS":["a","b"]},"tree":{"M":{"k":{"N":"5"},"l":{"L":[{"S":"deep"}]}}}}"##;

/// `:n5` is the number 5, `:sx` the string x, and so on.
pub(super) fn placeholders() -> Placeholders {
    let values = [
        (":n5", r#"{"N":"5"}"#),
        (":n10", r#"{"N":"1E1"}"#),
        (":n1", r#"{"N":"1"}"#),
        (":s", r#"{"S":"Dan"}"#),
        (":a", r#"{"S":"a"}"#),
        (":two", r#"{"S":"two"}"#),
        (":ss", r#"{"SS":["a"]}"#),
        (":ssab", r#"{"SS":["a","b"]}"#),
        (":b", r#"{"B":"AQ=="}"#),
        (":t", r#"{"BOOL":true}"#),
        (":l", r#"{"L":[{"S":"new"}]}"#),
        (":null", r#"{"NULL":true}"#),
        (":typeN", r#"{"S":"N"}"#),
        (":typeX", r#"{"S":"X"}"#),
    ];
    let names = [("#n", "n"), ("#odd", "#odd"), ("#name", "name")];
    let value = |json: &str| AttributeValue::read(&canonical(json)).unwrap();
    Placeholders::new(
        Some(names.map(|(a, b)| (a.to_owned(), b.to_owned())).into()),
        Some(values.map(|(name, json)| (name.to_owned(), value(json))).into()),
    )
    .unwrap()
}

fn canonical(json: &str) -> Vec<u8> {
    let mut out = Vec::new();
    wire::canonical::value(&mut wire::json::Cursor::new(json.as_bytes()), &mut out).unwrap();
    out
}

fn holds(text: &str) -> Result<bool, String> {
    let condition = Condition::parse(Role::Condition, text, &mut placeholders());
    condition.map(|it| it.holds(ITEM.as_bytes())).map_err(|error| error.0)
}

#[test]
fn conditions_mean_what_they_say() {
    for (text, expected) in [
        ("n = :n10", true),
        ("n = :n5", false),
        ("#n <> :n5", true),
        ("n > :n5 AND n <= :n10", true),
        ("n < :s", false),
        ("absent = :n5", false),
        ("absent <> :n5", true),
        ("absent <> nowhere", true),
        ("absent = nowhere", false),
        ("(size(author)) > :n5", true),
        ("(attribute_exists(author))", true),
        ("NOT n = :n5", true),
        ("n = :n5 OR n = :n10 AND author = :a", false),
        ("(n = :n5 OR n = :n10) AND author = :a", false),
        ("(n = :n5 OR n = :n10) AND begins_with(author, :s)", true),
        ("NOT n = :n5 AND NOT n = :n1", true),
        ("NOT (n = :n5 OR n = :n10)", false),
        ("n BETWEEN :n5 AND :n10", true),
        ("tree.k BETWEEN :n10 AND :n10", false),
        ("n IN (:n5, :n10)", true),
        ("n IN (:n5)", false),
        ("attribute_exists(tree.l[0])", true),
        ("attribute_exists(tree.l[1])", false),
        ("attribute_not_exists(tree.k.z)", true),
        ("attribute_exists(#odd)", true),
        ("attribute_type(n, :typeN)", true),
        ("attribute_type(author, :typeN)", false),
        ("begins_with(blob_1, :b)", true),
        ("begins_with(n, :s)", false),
        ("contains(author, :s)", true),
        ("contains(tags, :a)", true),
        ("contains(nums, :n1)", true),
        ("contains(nums, :n5)", false),
        ("contains(pages, :two)", true),
        ("size(author) > :n5", true),
        ("size(pages) < :n5", true),
        ("size(n) = :n1", false),
        ("pages[0] = :n1", true),
        ("pages[0] = :n10", false),
        ("tags = :ssab", true),
        ("flagged = :t", true),
        ("nil = :null", true),
        ("(n) = (:n10)", true),
    ] {
        assert_eq!(holds(text), Ok(expected), "{text}");
    }
}

#[test]
fn conditions_that_make_no_sense_are_refused() {
    for (text, why) in [
        ("", "The expression can not be empty;"),
        ("   ", r#"Syntax error; token: "<EOF>", near: "   ""#),
        ("n = = :n5", r#"Syntax error; token: "=", near: "= = :n5""#),
        ("n = ", r#"Syntax error; token: "<EOF>", near: "= ""#),
        ("n @ :n5", r#"Syntax error; token: "@", near: "n @ :n5""#),
        ("n = :n5 )", r#"Syntax error; token: ")", near: ":n5 )""#),
        ("(n = :n5", r#"Syntax error; token: "<EOF>", near: ":n5""#),
        ("n IN ()", r#"Syntax error; token: ")", near: "()""#),
        ("l[x] = :n5", r#"Syntax error; token: "x", near: "[x]""#),
        ("m..x = :n5", r#"Syntax error; token: ".", near: "..x""#),
        ("1n = :n5", r#"Syntax error; token: "1", near: "1n""#),
        ("n = \"x\"", r#"Syntax error; token: ""x"", near: "= "x"""#),
        ("n = :n5 OR OR n = :n5", r#"Syntax error; token: "OR", near: "OR OR n""#),
        ("((n = :n5))", "The expression has redundant parentheses;"),
        ("((n)) = :n5", "The expression has redundant parentheses;"),
        ("n = ((:n5))", "The expression has redundant parentheses;"),
        ("name = :n5", "Attribute name is a reserved keyword; reserved keyword: name"),
        ("tree.Size = :n5", "Attribute name is a reserved keyword; reserved keyword: Size"),
        (
            "#x = :n5",
            "An expression attribute name used in the document path is not defined; attribute name: #x",
        ),
        (
            "n = :x",
            "An expression attribute value used in expression is not defined; attribute value: :x",
        ),
        ("foo(n)", "Invalid function name; function: foo"),
        (
            "if_not_exists(n, :n5) = :n5",
            "The function is not allowed in a condition expression; function: if_not_exists",
        ),
        (
            "size(n)",
            "The function is not allowed to be used this way in an expression; function: size",
        ),
        (
            "attribute_exists(n) = :n5",
            "The function is not allowed to be used this way in an expression; function: attribute_exists",
        ),
        (
            "attribute_exists(:n5)",
            "Operator or function requires a document path; operator or function: attribute_exists",
        ),
        (
            "size(n, n) = :n5",
            "Incorrect number of operands for operator or function; operator or function: size, number of operands: 2",
        ),
        (
            "n < :t",
            "Incorrect operand type for operator or function; operator or function: <, operand type: BOOL",
        ),
        (
            "begins_with(n, :n5)",
            "Incorrect operand type for operator or function; operator or function: begins_with, operand type: N",
        ),
        (
            "attribute_type(n, :typeX)",
            "Invalid attribute type name found; type: X, valid types: {BOOL,SS,BS,M,S,B,NULL,N,L,NS}",
        ),
        (
            "n = n",
            "The first operand must be distinct from the remaining operands for this operator or function; operator: =, first operand: [n]",
        ),
        (
            "n BETWEEN :n10 AND :n5",
            "The BETWEEN operator requires upper bound to be greater than or equal to lower bound; lower bound operand: AttributeValue: {N:10}, upper bound operand: AttributeValue: {N:5}",
        ),
        (
            "pages[99999999999] = :n5",
            "List index is not within the allowable range; index: [99999999999]",
        ),
    ] {
        assert_eq!(holds(text), Err(format!("Invalid ConditionExpression: {why}")), "{text}");
    }
    let long = |n: usize| vec!["n = :n5"; n].join(" AND ");
    assert!(holds(&long(150)).is_ok());
    assert!(holds(&long(200)).unwrap_err().contains("operator count: 301"));
    assert!(holds(&long(600)).unwrap_err().contains("expression size: 7195"));
    for deep in ["(".repeat(4096), "NOT ".repeat(1000), "size(".repeat(800)] {
        assert!(holds(&deep).is_err());
    }
}

fn updated(text: &str) -> Result<String, String> {
    let update = Update::parse(text, &mut placeholders()).map_err(|error| error.0)?;
    let mut item = read_attributes(ITEM.as_bytes()).unwrap();
    let before = item.clone();
    update.apply(&mut item).map_err(|error| error.0)?;
    // Only what has changed.
    let is_new = |(name, value): &(&String, &AttributeValue)| before.get(*name) != Some(value);
    let changed: Attributes =
        item.iter().filter(is_new).map(|(name, value)| (name.clone(), value.clone())).collect();
    let removed = before.keys().filter(|name| !item.contains_key(*name));
    let removed: Vec<String> = removed.map(|name| format!("-{name}")).collect();
    let mut out = Vec::new();
    write_attributes(&changed, &mut out);
    Ok(String::from_utf8(out).unwrap() + &removed.concat())
}

#[test]
fn updates_do_what_they_say() {
    for (text, expected) in [
        ("SET n = n + :n5", r#"{"n":{"N":"15"}}"#),
        ("SET n = :n5 - n", r#"{"n":{"N":"-5"}}"#),
        ("SET n = (n + :n5)", r#"{"n":{"N":"15"}}"#),
        ("set #name = if_not_exists(#name, :s)", r#"{"name":{"S":"Dan"}}"#),
        ("SET x = if_not_exists(n, :s)", r#"{"x":{"N":"10"}}"#),
        ("SET x = if_not_exists(x, :n5) + :n1", r#"{"x":{"N":"6"}}"#),
        (
            "SET pages = list_append(pages, :l)",
            r#"{"pages":{"L":[{"N":"1"},{"S":"two"},{"S":"new"}]}}"#,
        ),
        (
            "SET y = list_append(if_not_exists(y, :l), :l)",
            r#"{"y":{"L":[{"S":"new"},{"S":"new"}]}}"#,
        ),
        (
            "SET pages[0] = :a, pages[9] = :n5, pages[7] = :n1",
            r#"{"pages":{"L":[{"S":"a"},{"S":"two"},{"N":"1"},{"N":"5"}]}}"#,
        ),
        ("SET tree.l[0] = :a", r#"{"tree":{"M":{"k":{"N":"5"},"l":{"L":[{"S":"a"}]}}}}"#),
        // Both see the item as it was.
        (
            "SET n = tree.k, tree.k = n",
            r#"{"n":{"N":"5"},"tree":{"M":{"k":{"N":"10"},"l":{"L":[{"S":"deep"}]}}}}"#,
        ),
        ("REMOVE pages[0], pages[1]", r#"{"pages":{"L":[]}}"#),
        ("REMOVE flagged, absent", "{}-flagged"),
        ("REMOVE tree.absent, pages[8]", "{}"),
        ("ADD n :n5, fresh :n1", r#"{"fresh":{"N":"1"},"n":{"N":"15"}}"#),
        ("ADD tags :ss", "{}"),
        ("ADD extra :ss", r#"{"extra":{"SS":["a"]}}"#),
        ("DELETE tags :ss", r#"{"tags":{"SS":["b"]}}"#),
        ("DELETE tags :ssab", "{}-tags"),
        ("DELETE absent :ss", "{}"),
        (
            "SET x = :n1 REMOVE n ADD tree.k :n5 DELETE tags :ss",
            r#"{"tags":{"SS":["b"]},"tree":{"M":{"k":{"N":"10"},"l":{"L":[{"S":"deep"}]}}},"x":{"N":"1"}}-n"#,
        ),
    ] {
        assert_eq!(updated(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn updates_that_make_no_sense_are_refused() {
    const WRONG_PATH: &str =
        "The document path provided in the update expression is invalid for update";
    const WRONG_TYPE: &str = "An operand in the update expression has an incorrect data type";
    const MISSING: &str =
        "The provided expression refers to an attribute that does not exist in the item";
    for (text, why) in [
        ("SET x = y", MISSING),
        ("SET x = y + :n5", MISSING),
        ("SET n = n + author", WRONG_TYPE),
        ("SET x = list_append(n, pages)", WRONG_TYPE),
        ("ADD tags :n5", WRONG_TYPE),
        ("DELETE n :ss", WRONG_TYPE),
        ("SET q.x = :n5", WRONG_PATH),
        ("SET n.x = :n5", WRONG_PATH),
        ("SET tree[0] = :n5", WRONG_PATH),
        ("REMOVE q.x", WRONG_PATH),
        ("REMOVE q[1]", WRONG_PATH),
    ] {
        assert_eq!(updated(text), Err(why.to_owned()), "{text}");
    }
    for (text, why) in [
        ("", "The expression can not be empty;"),
        ("SET", r#"Syntax error; token: "<EOF>", near: "SET""#),
        ("n = :n5", r#"Syntax error; token: "n", near: "n =""#),
        ("SET n = :n5,", r#"Syntax error; token: "<EOF>", near: ",""#),
        ("SET n = n * :n5", r#"Syntax error; token: "*", near: "n * :n5""#),
        ("SET n = :n5 + :n5 + :n5", r#"Syntax error; token: "+", near: ":n5 + :n5""#),
        ("ADD n n", r#"Syntax error; token: "n", near: "n n""#),
        (
            "SET n = :n5 SET x = :n5",
            "The \"SET\" section can only be used once in an update expression;",
        ),
        (
            "SET tree = :n5, tree.x = :n5",
            "Two document paths overlap with each other; must remove or rewrite one of these paths; path one: [tree], path two: [tree, x]",
        ),
        (
            "SET tree.x = :n5 REMOVE tree[0]",
            "Two document paths conflict with each other; must remove or rewrite one of these paths; path one: [tree, x], path two: [tree, [0]]",
        ),
        ("SET n = size(n)", "The function is not allowed in an update expression; function: size"),
        (
            "ADD n :s",
            "Incorrect operand type for operator or function; operator: ADD, operand type: STRING, typeSet: ALLOWED_FOR_ADD_OPERAND",
        ),
        (
            "DELETE tags :n5",
            "Incorrect operand type for operator or function; operator: DELETE, operand type: NUMBER, typeSet: ALLOWED_FOR_DELETE_OPERAND",
        ),
        (
            "SET n = n + :s",
            "Incorrect operand type for operator or function; operator or function: +, operand type: S",
        ),
    ] {
        assert_eq!(updated(text), Err(format!("Invalid UpdateExpression: {why}")), "{text}");
    }
}

#[test]
fn projections_pick_what_they_name() {
    for (text, expected) in [
        ("n", r#"{"n":{"N":"10"}}"#),
        ("n, author, absent", r#"{"author":{"S":"Dan Brown"},"n":{"N":"10"}}"#),
        ("#odd", r##"{"#odd":{"S":"x"}}"##),
        (
            "pages[1], tree.l",
            r#"{"pages":{"L":[{"S":"two"}]},"tree":{"M":{"l":{"L":[{"S":"deep"}]}}}}"#,
        ),
        ("pages[1], pages[0], pages[5]", r#"{"pages":{"L":[{"N":"1"},{"S":"two"}]}}"#),
        ("tree.absent, n.x", "{}"),
    ] {
        let projection = Projection::parse(text, &mut placeholders()).unwrap();
        let mut out = Vec::new();
        let any = projection.write(ITEM.as_bytes(), &mut out);
        assert_eq!(String::from_utf8(out).unwrap(), expected, "{text}");
        assert_eq!(any, expected != "{}", "{text}");
    }
}

#[test]
fn key_conditions_fix_the_partition() {
    let parse = |text: &str| {
        KeyCondition::parse(text, "p", Some("s"), &mut placeholders()).map_err(|error| error.0)
    };
    let s = |text: &str| AttributeValue::S(text.to_owned());
    for (text, sort) in [
        ("p = :s", None),
        (":s = p", None),
        (
            "p = :s AND s > :a",
            Some(key_condition::SortCondition::Compare(Comparator::Greater, s("a"))),
        ),
        (
            ":a > s AND p = :s",
            Some(key_condition::SortCondition::Compare(Comparator::Less, s("a"))),
        ),
        (
            "(p = :s) AND (begins_with(s, :a))",
            Some(key_condition::SortCondition::BeginsWith(s("a"))),
        ),
        (
            "p = :s AND s BETWEEN :s AND :a",
            Some(key_condition::SortCondition::Between(s("Dan"), s("a"))),
        ),
    ] {
        assert_eq!(parse(text), Ok(KeyCondition { partition: s("Dan"), sort }), "{text}");
    }
    for (text, why) in [
        ("s = :a", "Query condition missed key schema element: p"),
        ("p = :s AND x = :a", "Query condition missed key schema element: s"),
        ("p > :s", "Query key condition not supported"),
        ("p = :s OR s = :a", "Invalid operator used in KeyConditionExpression: OR"),
        ("p = :s AND NOT s = :a", "Invalid operator used in KeyConditionExpression: NOT"),
        ("p = :s AND s <> :a", "Invalid operator used in KeyConditionExpression: <>"),
        ("p = :s AND contains(s, :a)", "Invalid operator used in KeyConditionExpression: contains"),
        ("p = :s AND p = :s", "KeyConditionExpressions must only contain one condition per key"),
        (
            "p = s",
            "Invalid condition in KeyConditionExpression: Multiple attribute names used in one condition",
        ),
        ("size(p) = :n5", "KeyConditionExpressions cannot contain nested operations"),
        (
            "p.x = :s",
            "Key attributes must be scalars; list random access '[]' and map lookup '.' are not allowed: Key: p",
        ),
    ] {
        assert_eq!(parse(text), Err(why.to_owned()), "{text}");
    }
}

#[test]
fn what_is_defined_must_be_used() {
    let some = |names: &[&str]| -> BTreeMap<String, String> {
        names.iter().map(|it| ((*it).to_owned(), "n".to_owned())).collect()
    };
    for (names, why) in [
        (some(&[]), "ExpressionAttributeNames must not be empty"),
        (some(&["n"]), "ExpressionAttributeNames contains invalid key: Syntax error; key: \"n\""),
        (some(&["#"]), "ExpressionAttributeNames contains invalid key: Syntax error; key: \"#\""),
        (
            some(&["#a", "#b", "#n"]),
            "Value provided in ExpressionAttributeNames unused in expressions: keys: {#a, #b}",
        ),
    ] {
        let result = Placeholders::new(Some(names), None).and_then(|mut placeholders| {
            Projection::parse("#n", &mut placeholders)?;
            placeholders.all_used()
        });
        assert_eq!(result, Err(ExpressionError::new(why)));
    }
}
