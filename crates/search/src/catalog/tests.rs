//! Names, aliases and templates.

use serde_json::json;

use super::*;

fn catalog() -> Catalog {
    let mut catalog = Catalog::default();
    for name in ["books", "books-2", "cars", ".kibana_1"] {
        catalog.indices.insert(name.into(), name.into());
    }
    catalog.add_alias("books", "book1", &Alias::default()).unwrap();
    catalog.add_alias("books", "all-books", &Alias::default()).unwrap();
    catalog.add_alias("books-2", "all-books", &Alias::default()).unwrap();
    catalog
}

#[test]
fn a_name_stands_for_indices() {
    for (expression, options, indices) in [
        ("books", Options::default(), Ok("books")),
        ("book1", Options::default(), Ok("books")),
        ("all-books", Options::default(), Ok("books books-2")),
        ("books,cars", Options::default(), Ok("books cars")),
        ("b*", Options::default(), Ok("books books-2")),
        ("*", Options::default(), Ok("books books-2 cars")),
        ("_all", Options::default(), Ok("books books-2 cars")),
        ("", Options::default(), Ok("books books-2 cars")),
        ("*,-books*", Options::default(), Ok("cars")),
        (".kib*", Options::default(), Ok(".kibana_1")),
        ("zz*", Options::default(), Ok("")),
        ("zz", Options::default(), Err("no such index [zz]")),
        ("zz,cars", Options { ignore_unavailable: true, ..Options::default() }, Ok("cars")),
        (
            "zz*",
            Options { allow_no_indices: false, ..Options::default() },
            Err("no such index [zz*]"),
        ),
    ] {
        let resolved = catalog().resolve(expression, options).map(|it| it.join(" "));
        assert_eq!(
            resolved.as_deref().map_err(|it| it.reason.as_str()),
            indices,
            "{expression} {options:?}"
        );
    }
}

#[test]
fn not_everything_is_a_name() {
    for (name, problem) in [
        ("Books", "must be lowercase"),
        ("_books", "must not start with '_', '-', or '+'"),
        ("a b", "must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?]"),
        ("a#b", "must not contain '#'"),
        (".", "must not be '.' or '..'"),
        ("..", "must not be '.' or '..'"),
        ("a/b", "must not contain the following characters [ , \", *, \\, <, |, ,, >, /, ?]"),
    ] {
        let failure = check_index_name(name).unwrap_err();
        assert_eq!(failure.reason, format!("Invalid index name [{name}], {problem}"));
    }
    assert!(check_index_name(&"x".repeat(256)).is_err());
    assert!(check_index_name(".kibana_1").is_ok());
}

#[test]
fn a_write_through_an_alias_needs_one_index() {
    let mut catalog = catalog();
    assert_eq!(catalog.write_target("book1").unwrap(), "books");
    assert_eq!(catalog.write_target("new").unwrap(), "new");
    assert!(catalog.write_target("all-books").is_err());
    let writer = Alias { is_write_index: Some(true), ..Alias::default() };
    catalog.add_alias("books-2", "all-books", &writer).unwrap();
    assert_eq!(catalog.write_target("all-books").unwrap(), "books-2");
    assert!(catalog.add_alias("books", "all-books", &writer).is_err());
    assert!(catalog.single("all-books").is_err());
}

#[test]
fn aliases_are_swapped_together_or_not_at_all() {
    let mut catalog = catalog();
    let swap = |must_exist_alias: &str| {
        [
            AliasAction::Add {
                index: "books-2".into(),
                alias: "book1".into(),
                how: Alias::default(),
            },
            AliasAction::Remove {
                index: "books".into(),
                alias: must_exist_alias.into(),
                must_exist: true,
            },
        ]
    };
    let before = catalog.clone();
    assert_eq!(catalog.apply(&swap("nope")).unwrap_err().reason, "aliases [nope] missing");
    assert_eq!(catalog, before);
    catalog.apply(&swap("book1")).unwrap();
    assert_eq!(catalog.resolve("book1", Options::default()).unwrap(), ["books-2"]);

    let replace = [
        AliasAction::RemoveIndex("cars".into()),
        AliasAction::Add { index: "books".into(), alias: "cars".into(), how: Alias::default() },
    ];
    assert_eq!(catalog.apply(&replace).unwrap(), ["cars"]);
    assert_eq!(catalog.resolve("cars", Options::default()).unwrap(), ["books"]);
    assert!(catalog.add_alias("books-2", "books", &Alias::default()).is_err());
}

#[test]
fn templates_apply_by_priority_and_order() {
    let mut templates = Templates::default();
    let component = json!({ "template": { "settings": { "number_of_replicas": 0 }, "mappings": { "properties": { "a": { "type": "text" }, "b": { "type": "long" } } } } });
    Templates::check_component(&component).unwrap();
    templates.component.insert("base".into(), component);
    for (name, priority, shards) in [("low", 1, 1), ("high", 9, 3)] {
        let body = json!({ "index_patterns": ["books*"], "priority": priority, "composed_of": ["base"],
            "template": { "settings": { "number_of_shards": shards }, "mappings": { "properties": { "a": { "type": "keyword" } } }, "aliases": { "book1": {} } } });
        templates.check_index(name, &body).unwrap();
        templates.index.insert(name.into(), body);
    }
    let resolved = templates.resolve("books-1").unwrap();
    assert_eq!(resolved.settings.n_shards(), 3);
    assert_eq!(resolved.settings.n_replicas(), 0);
    assert_eq!(
        resolved.mapping.to_json(),
        json!({ "properties": { "a": { "type": "keyword" }, "b": { "type": "long" } } })
    );
    assert!(resolved.aliases.contains_key("book1"));
    assert_eq!(templates.resolve("cars").unwrap(), Resolved::default());

    let clash = json!({ "index_patterns": ["bo*"], "priority": 9 });
    assert!(
        templates.check_index("clash", &clash).unwrap_err().reason.contains("same priority [9]")
    );
    let missing = json!({ "index_patterns": ["x"], "composed_of": ["nope"] });
    assert!(templates.check_index("x", &missing).is_err());
}

#[test]
fn legacy_templates_add_up() {
    let mut templates = Templates::default();
    for (name, order, shards) in [("second", 2, 5), ("first", 1, 2)] {
        let body = json!({ "index_patterns": ["b*"], "order": order, "settings": { "number_of_shards": shards, name: 1 } });
        templates.legacy.insert(name.into(), body);
    }
    assert!(templates.resolve("books").is_err(), "an unknown setting is not passed over");
    templates.legacy.clear();
    for (order, shards) in [(2, 5), (1, 2)] {
        let body = json!({ "index_patterns": "b*", "order": order, "settings": { "number_of_shards": shards } });
        templates.legacy.insert(order.to_string(), body);
    }
    assert_eq!(templates.resolve("books").unwrap().settings.n_shards(), 5);
}
