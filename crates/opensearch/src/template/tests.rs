use pipeline::Settings;

use super::*;

fn plan(more: &str, template: Option<&str>) -> Plan {
    let yaml = format!("hosts: ['http://h:1']\nindex: books\ndocument_id: x\n{more}");
    let (config, _) = Config::read(&Settings::from_yaml(&yaml).unwrap()).unwrap();
    Plan { template: template.map(|it| read_json(it).unwrap()), ..Plan::new(&config) }
}

fn names(index: &str, pattern: &str) -> Names {
    Names { index: index.to_owned(), pattern: pattern.to_owned() }
}

#[test]
fn an_index_gets_what_the_settings_say() {
    let put = plan("number_of_shards: 2\nnumber_of_replicas: 0", None)
        .put_index(&names("books", "books"));
    assert_eq!(put.path, "/books");
    assert_eq!(
        put.body,
        json!({"settings": {"index.gc_deletes": "1h", "index.number_of_shards": 2, "index.number_of_replicas": 0}}),
        "no replicas can be asked for"
    );
}

#[test]
fn a_template_goes_before_the_settings() {
    let template = r#"{"version": 3, "settings": {"index": {"number_of_shards": 9}}}"#;
    let plan = plan("number_of_shards: 2\nnumber_of_replicas: 0", Some(template));
    let put = plan.put_template(&names("books-2026.01", "books-*")).unwrap();
    assert_eq!(put.path, "/_template/books-index-template");
    assert_eq!(
        put.body,
        json!({
            "version": 3, "index_patterns": ["books-*"],
            "settings": {"index": {"number_of_shards": 9}, "index.gc_deletes": "1h", "index.number_of_replicas": 0}
        })
    );
    assert_eq!(plan.put_index(&names("books-2026.01", "books-*")).body, json!({}));
}

#[test]
fn settings_of_a_composable_template_go_where_they_belong() {
    let plan =
        plan("template_type: index_template\nnumber_of_shards: 2", Some(r#"{"priority": 7}"#));
    let put = plan.put_template(&names("books", "books")).unwrap();
    assert_eq!(put.path, "/_index_template/books-index-template");
    assert_eq!(put.body["template"]["settings"]["index.number_of_shards"], 2);
    assert_eq!(put.body["priority"], 7);
}

#[test]
fn versions_are_found_in_both_kinds_of_answers() {
    let v1 = json!({"books-index-template": {"version": 4, "settings": {}}});
    assert_eq!(plan("", None).version_there(&v1), 4);
    assert_eq!(plan("", None).version_there(&json!({"t": {"settings": {}}})), 0);
    let composable = json!({"index_templates": [{"name": "t", "index_template": {"version": 5}}]});
    assert_eq!(plan("template_type: index-template", None).version_there(&composable), 5);
}

#[test]
fn an_index_with_a_policy_is_the_first_of_many() {
    let mut plan = plan("", Some("{}"));
    plan.policy = Some(json!({"policy": {"states": [], "ism_template": []}}));
    let names = names("books", "books");
    let put = plan.put_index(&names);
    assert_eq!(put.path, "/books-000001");
    assert_eq!(put.body["aliases"]["books"]["is_write_index"], true);
    let template = plan.put_template(&names).unwrap();
    assert_eq!(template.body["index_patterns"], json!(["books-*"]));
    let policy = plan.put_policy(&names, false).unwrap();
    assert_eq!(policy.path, "/_plugins/_ism/policies/books-policy");
    assert_eq!(
        plan.put_policy(&names, true).unwrap().path,
        "/_opendistro/_ism/policies/books-policy"
    );
    assert_eq!(Plan::without_ism_template(policy.body), json!({"policy": {"states": []}}));
}

#[test]
fn a_template_that_is_none_is_told() {
    assert!(read_json("{").unwrap_err().contains("not JSON"));
    assert!(read_json("[]").unwrap_err().contains("begin with `{`"));
}
