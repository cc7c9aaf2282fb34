use super::*;

const USUAL: &str = "hosts: ['http://localhost:9200']\nindex: books\ndocument_id: '${/x}'\n";

fn read(yaml: &str) -> Result<(Config, Vec<ConfigError>), ConfigError> {
    Config::read(&Settings::from_yaml(yaml)?)
}

fn with(more: &str) -> Result<(Config, Vec<ConfigError>), ConfigError> {
    read(&format!("{USUAL}{more}"))
}

#[test]
fn what_makes_no_sense_is_refused_with_a_remedy() {
    for (more, said) in [
        ("pull_indexing: {}", "Kafka"),
        ("forward_to: { pipelines: [x] }", "second sink"),
        ("query_lookup: { query_when: 'true', query_term: x }", "document_id"),
        ("index_type: trace-analytics-raw", "write `custom`"),
        ("index_type: metric-analytics-plain", "write `custom`"),
        ("index_type: own", "custom"),
        ("username: a", "go together"),
        ("username: a\npassword: b\naws: {}", "not both"),
        ("api_token: t\naws: {}", "not both"),
        ("username: a\npassword: b\nauthentication: { api_token: t }", "write them once"),
        ("authentication: { client_key: k }", "go together"),
        ("proxy: localhost", "host:port"),
        ("proxy: 'socks5://h:1'", "host:port"),
        ("aws_sigv4: true\naws: {}", "move it in there"),
        ("serverless: true\naws: {}", "move it in there"),
        ("aws: { sts_role_arn: 'arn:aws:iam::123456789012:user/x' }", "is not a role"),
        ("aws: { sts_role_arn: x }", "is not a role"),
        ("aws: { sts_external_id: x }", "2 to 1224"),
        ("template_content: '{}'\ntemplate_file: f", "cannot both"),
        ("index_type: management_disabled\ntemplate_file: f", "nothing but documents"),
        ("template_file: 's3://b/k'", "`aws` block"),
        ("template_type: v2", "v1"),
        ("number_of_shards: 0", "at least 1"),
        ("document_id_field: y", "remove `document_id_field`"),
        ("routing: a\nrouting_field: b", "remove `routing_field`"),
        ("document_root_key: ''", "name of a field"),
        ("include_keys: [a]\nexclude_keys: [b]", "remove one"),
        ("actions: []", "at least one"),
        ("script: { source: 'x' }", "action: upsert"),
        ("script: { source: ' ' }\naction: upsert", "write the script"),
        (
            "script: { source: x }\naction: upsert\ndocument_version_type: external",
            "no version with a script",
        ),
        ("max_retries: 0", "at least 1"),
        ("bulk_size: 0", "how many MiB"),
        ("connect_timeout: 0", "at least 1 ms"),
        ("dlq: { s3: { bucket: b } }", "no bucket"),
        ("dlq: { s3: { bucket: bucket, bucket_owner: '12' } }", "12 digits"),
        ("dlq: { s3: { bucket: bucket, sts_role_arn: x } }", "is not a role"),
        ("dlq: { s3: { bucket: bucket } }\ndlq_file: f", "remove one"),
        ("document_version_type: newest", "external"),
        ("distribution_version: es5", "es6"),
        ("nonsense: 1", "nonsense"),
    ] {
        let error = with(more).map(|_| ()).expect_err(more).to_string();
        assert!(error.contains(said), "{more}: {error}");
    }
    for (yaml, said) in [
        ("hosts: []\nindex: b", "at least one"),
        ("hosts: ['localhost:9200']\nindex: b", "https://host:9200"),
        ("hosts: ['https://']\nindex: b", "https://host:9200"),
        ("hosts: ['http://h']", "name of the index"),
    ] {
        let error = read(yaml).map(|_| ()).expect_err(yaml).to_string();
        assert!(error.contains(said), "{yaml}: {error}");
    }
}

#[test]
fn what_has_no_effect_is_warned_of() {
    for (more, said) in [
        ("actions: [{ type: index, when: '/a > 1' }]", "without `when`"),
        ("action: update\ndocument_version: '${/v}'", "left out"),
        ("estimate_bulk_size_using_compression: true", "before compression"),
        ("aws: { sts_header_overrides: { a: b } }", "not sent"),
        ("aws: { serverless_options: { vpce_id: x } }", "not changed"),
        ("routing_field: r", "deprecated"),
        ("aws_sigv4: true", "deprecated"),
        ("normalize_index: true", "`${…}` only"),
    ] {
        let (_, warnings) = with(more).expect(more);
        let all: Vec<String> = warnings.iter().map(ToString::to_string).collect();
        assert!(all.iter().any(|it| it.contains(said)), "{more}: {all:?}");
    }
    let (_, warnings) = read("hosts: ['http://h']\nindex: b").unwrap();
    assert!(warnings[0].to_string().contains("indexed twice"));
    assert!(
        with("actions: [{ type: delete, when: '/a > 1' }, { type: index }]").unwrap().1.is_empty()
    );
}

#[test]
fn old_spellings_mean_the_same() {
    let old = "aws_sigv4: true\naws_region: eu-west-1\nserverless: true\nrouting_field: /a/b";
    let (config, _) = with(old).unwrap();
    let aws = config.aws.as_ref().unwrap();
    assert_eq!((aws.region.as_deref(), aws.serverless), (Some("eu-west-1"), true));
    assert_eq!(config.routing.as_deref(), Some("${/a/b}"));
    assert_eq!(
        config.index_type(),
        IndexType::ManagementDisabled,
        "a collection keeps house itself"
    );
    assert_eq!(config.template_type(), TemplateType::IndexTemplate);
    let (config, _) = read("hosts: ['http://h']\nindex: b\ndocument_id_field: isbn").unwrap();
    assert_eq!(config.document_id.as_deref(), Some("${/isbn}"));
    let (config, _) =
        with("index_type: management_disabled\ntemplate_type: index_template").unwrap();
    assert_eq!(config.index_type(), IndexType::ManagementDisabled);
    assert_eq!(config.template_type(), TemplateType::IndexTemplate, "as AWS's pages print it");
    let error = with("index_type: management-disabled").unwrap_err();
    assert!(error.to_string().contains("`management_disabled`"), "{error}");
}

#[test]
fn nothing_secret_is_printed() {
    let (config, _) = with("authentication: { username: u, password: hidden }").unwrap();
    assert!(!format!("{:?}", config.authentication).contains("hidden"));
}
