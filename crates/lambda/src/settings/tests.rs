//! Every variable, right and wrong.

use aws::Environment;

use super::*;

const SEED: [(&str, &str); 5] = [
    ("HOST", "search-books.us-east-1.es.amazonaws.com"),
    ("API_STAGE", "dev"),
    ("ES_INDEX", "books"),
    ("DB_HASH_KEY", "author"),
    ("DB_SORT_KEY", "bookTitle"),
];

fn read(environment: &Environment) -> Result<Settings, SettingsError> {
    Settings::read(&|name| environment.get(name))
}

/// The seed's variables with one changed, or another added.
fn with(name: &str, value: &str) -> Result<Settings, SettingsError> {
    let mut variables: Vec<(&str, &str)> = SEED.iter().copied().filter(|it| it.0 != name).collect();
    variables.push((name, value));
    let padding = ("UNUSED", "");
    variables.resize(8, padding);
    let variables: [(&str, &str); 8] = variables.try_into().unwrap();
    read(&Environment::of(variables))
}

fn problem(name: &str, value: &str) -> String {
    with(name, value).unwrap_err().to_string()
}

#[test]
fn the_five_variables_are_enough() {
    let settings = read(&Environment::of(SEED)).unwrap();
    let stream = settings.stream.unwrap();
    assert_eq!(settings.host, "https://search-books.us-east-1.es.amazonaws.com");
    assert_eq!(settings.auth, Auth::Aws { serverless: false });
    assert_eq!(stream.index, IndexName::Fixed("books".to_owned()));
    assert_eq!(stream.keys.unwrap().sort.as_deref(), Some("bookTitle"));
    assert!(stream.deletes_by_ttl && stream.partial_response && stream.dead_letters.is_empty());
    let proxy = settings.proxy.unwrap();
    assert_eq!((proxy.stage.as_deref(), proxy.mode), (Some("dev"), ProxyMode::Read));
}

#[test]
fn a_host_may_be_a_name_or_an_address() {
    for (host, expected) in [
        ("search-x.es.amazonaws.com", "https://search-x.es.amazonaws.com"),
        ("https://search-x.es.amazonaws.com", "https://search-x.es.amazonaws.com"),
        ("https://search-x.es.amazonaws.com/", "https://search-x.es.amazonaws.com"),
        ("HTTPS://Search-X.es.amazonaws.com:443//", "https://search-x.es.amazonaws.com:443"),
        (" search-x:9200 ", "https://search-x:9200"),
        ("http://127.0.0.1:9200", "http://127.0.0.1:9200"),
        ("http://[::1]:9200", "http://[::1]:9200"),
    ] {
        assert_eq!(with("HOST", host).unwrap().host, expected, "{host}");
    }
    for host in ["https://", "ftp://x", "x/_dashboards", "a b", "user:pw@x", "x?y", "https://x#y"] {
        assert!(problem("HOST", host).starts_with("HOST is `"), "{host}");
    }
    let serverless = with("HOST", "abc.us-east-1.aoss.amazonaws.com").unwrap();
    assert_eq!(serverless.auth, Auth::Aws { serverless: true });
}

#[test]
fn what_is_missing_is_named_at_once() {
    let error = read(&Environment::of([])).unwrap_err();
    assert_eq!(
        error.0,
        [
            "HOST is not set; write the endpoint of the OpenSearch domain",
            "ES_INDEX is not set; write the name of the index, `books`",
            "DB_HASH_KEY is not set; write the name of the table's partition key",
        ]
    );
}

#[test]
fn only_what_the_mode_needs_is_asked_for() {
    let proxy = [("MODE", "proxy"), ("HOST", "x")];
    let settings = read(&Environment::of(proxy)).unwrap();
    assert!(settings.stream.is_none() && settings.proxy.is_some());
    assert!(with("MODE", "stream").unwrap().proxy.is_none());
    assert_eq!(problem("MODE", "both"), "MODE is `both`; write one of auto, stream, proxy");
}

#[test]
fn an_index_is_one_that_opensearch_takes() {
    for index in ["books", "books-2026.01", ".hidden", "bücher", "{table}", "ddb-{table}"] {
        assert!(with("ES_INDEX", index).is_ok(), "{index}");
    }
    for index in ["Books", "_books", "-b", "a b", "a/b", "a*", "a,b", "a#b", "..", "a{b}"] {
        assert!(problem("ES_INDEX", index).starts_with("ES_INDEX is `"), "{index}");
    }
    assert!(with("ES_INDEX", &"x".repeat(256)).is_err());
}

#[test]
fn an_index_may_be_named_after_the_table() {
    let settings = with("ES_INDEX", "ddb-{table}").unwrap().stream.unwrap();
    assert_eq!(settings.index.of("Books.V2_test-1"), "ddb-books.v2_test-1");
    let without_keys = [("HOST", "x"), ("ES_INDEX", "{table}")];
    let settings = read(&Environment::of(without_keys)).unwrap();
    assert_eq!(settings.stream.unwrap().keys, None);
}

#[test]
fn dead_letters_go_to_a_queue_or_a_bucket_or_both() {
    let places = |text| with("DLQ_URL", text).unwrap().stream.unwrap().dead_letters;
    let queue = "https://sqs.us-east-1.amazonaws.com/111122223333/dead";
    let bucket = |prefix: &str| DeadLetterPlace::Bucket {
        bucket: "letters".to_owned(),
        prefix: prefix.to_owned(),
    };
    assert_eq!(places(queue), [DeadLetterPlace::Queue(queue.to_owned())]);
    assert_eq!(places("s3://letters"), [bucket("")]);
    assert_eq!(
        places(&format!("s3://letters/a/b/, {queue}")),
        [bucket("a/b/"), DeadLetterPlace::Queue(queue.to_owned())]
    );
    for wrong in ["arn:aws:sqs:us-east-1:1:dead", "s3://", "s3://b/ü", "https://x", "dead"] {
        assert!(problem("DLQ_URL", wrong).starts_with("DLQ_URL has `"), "{wrong}");
    }
}

#[test]
fn the_rest_is_checked_too() {
    assert!(!with("TTL_DELETE", "keep").unwrap().stream.unwrap().deletes_by_ttl);
    assert!(problem("TTL_DELETE", "no").contains("one of delete, keep"));
    assert!(problem("PROXY_MODE", "all").contains("one of off, read, console, admin"));
    assert!(problem("API_STAGE", "a b").starts_with("API_STAGE is"));
    assert_eq!(with("API_STAGE", "/dev/").unwrap().proxy.unwrap().stage.as_deref(), Some("dev"));
    assert_eq!(with("BASE_PATH", "search/").unwrap().proxy.unwrap().base_path, "/search");
    assert!(problem("DB_SORT_KEY", "author").contains("same as DB_HASH_KEY"));
    assert!(problem("OPENSEARCH_USERNAME", "me").contains("go together"));
    assert!(problem("STREAMDEX_PIPELINE", "x.yaml").contains("ES_INDEX has no effect"));
    assert_eq!(with("AUTH", "none").unwrap().auth, Auth::None);
    let dropped = with("DROP_ATTRIBUTES", "aws:rep:*, secret").unwrap().stream.unwrap();
    assert_eq!(dropped.drop_attributes, ["aws:rep:*", "secret"]);
}

#[test]
fn a_password_is_never_printed() {
    let auth = Auth::Basic { username: "me".to_owned(), password: "hunter2".to_owned() };
    assert!(!format!("{auth:?}").contains("hunter2"));
}
