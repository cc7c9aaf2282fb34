use super::*;
use crate::parts::check::{problem, run, tags};

/// What a pattern finds in a text, as `name=text`.
fn found(pattern: &str, text: &str) -> String {
    let library = library::patterns();
    let grokker = Grokker::compile(pattern, &library, true, false).unwrap();
    let Some(found) = grokker.captures(text).unwrap() else { return "no".to_owned() };
    let texts = found.iter().filter_map(|(name, text, _)| Some(format!("{name}={}", (*text)?)));
    texts.collect::<Vec<_>>().join(" ")
}

#[test]
fn every_pattern_of_the_library_is_one() {
    let library = library::patterns();
    for name in library.keys() {
        let pattern = format!("%{{{name}}}");
        let grokker = Grokker::compile(&pattern, &library, true, false);
        grokker.unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

#[test]
fn the_library_matches_what_it_says() {
    for (name, text, expected) in [
        ("INT", "a -42 b", "-42"),
        ("NUMBER", "x 1.50", "1.50"),
        ("WORD", "hello world", "hello"),
        ("NOTSPACE", "a,b c", "a,b"),
        ("QS", r#"say "a \" b" now"#, r#""a \" b""#),
        ("UUID", "id 123e4567-e89b-12d3-a456-426614174000", "123e4567-e89b-12d3-a456-426614174000"),
        ("IPV4", "at 192.168.1.255:80", "192.168.1.255"),
        ("IPV4", "256.1.1.1", "no"),
        ("IP", "from 2001:db8::ff00:42:8329 to", "2001:db8::ff00:42:8329"),
        ("IP", "::1", "::1"),
        ("HOSTNAME", "www.example.com:80", "www.example.com"),
        ("MAC", "00:1B:44:11:3A:B7", "00:1B:44:11:3A:B7"),
        ("EMAILADDRESS", "ada@example.com", "ada@example.com"),
        ("PATH", "in /usr/local/bin here", "/usr/local/bin"),
        ("URI", "see https://a.example:80/b/c?d=e#f", "https://a.example:80/b/c?d=e#f"),
        ("TIMESTAMP_ISO8601", "2025-06-05T04:03:02.123Z x", "2025-06-05T04:03:02.123Z"),
        ("TIMESTAMP_ISO8601", "2025-06-05 04:03:02", "2025-06-05 04:03:02"),
        ("HTTPDATE", "[10/Oct/2000:13:55:36 -0700]", "10/Oct/2000:13:55:36 -0700"),
        ("SYSLOGTIMESTAMP", "Jun  5 04:03:02 host", "Jun  5 04:03:02"),
        ("LOGLEVEL", "[WARNING]", "WARNING"),
        ("DATE_US", "06/05/2025", "06/05/2025"),
        ("MONTH", "September", "September"),
    ] {
        let expected = if expected == "no" { "no".to_owned() } else { format!("x={expected}") };
        assert_eq!(found(&format!("%{{{name}:x}}"), text), expected, "{name}");
    }
    let line = r#"127.0.0.1 - frank [10/Oct/2000:13:55:36 -0700] "GET /a.gif HTTP/1.0" 200 2326 "http://x/" "Mozilla""#;
    assert_eq!(
        found("%{COMBINEDAPACHELOG}", line),
        "clientip=127.0.0.1 ident=- auth=frank timestamp=10/Oct/2000:13:55:36 -0700 verb=GET \
         request=/a.gif httpversion=1.0 response=200 bytes=2326 referrer=\"http://x/\" agent=\"Mozilla\""
    );
    let line = "Jun  5 04:03:02 web1 sshd[42]: Accepted";
    assert_eq!(
        found("%{SYSLOGLINE}", line),
        "timestamp=Jun  5 04:03:02 logsource=web1 program=sshd pid=42 message=Accepted"
    );
}

#[test]
fn fields_are_set_as_the_settings_say() {
    for (settings, before, after) in [
        ("match: {t: ['%{WORD:a}', '%{INT:b}']}", r#"{"t":"x 1"}"#, r#"{"t":"x 1","a":"x"}"#),
        (
            "match: {t: ['%{WORD:a}', '%{INT:b}']}, break_on_match: false",
            r#"{"t":"x 1"}"#,
            r#"{"t":"x 1","a":"x","b":"1"}"#,
        ),
        ("match: {t: '%{INT:b:long}'}", r#"{"t":"x 1"}"#, r#"{"t":"x 1","b":1}"#),
        ("match: {t: ['(?<y>\\d+)']}", r#"{"t":"a12"}"#, r#"{"t":"a12","y":"12"}"#),
        (
            "match: {t: ['%{WORD} %{INT:n}']}, named_captures_only: false",
            r#"{"t":"x 1"}"#,
            r#"{"t":"x 1","WORD":"x","n":"1"}"#,
        ),
        ("match: {t: ['%{WORD:a}( %{INT:n})?']}", r#"{"t":"x"}"#, r#"{"t":"x","a":"x"}"#),
        (
            "match: {t: ['%{WORD:a}( %{INT:n})?']}, keep_empty_captures: true",
            r#"{"t":"x"}"#,
            r#"{"t":"x","a":"x","n":null}"#,
        ),
        ("match: {t: ['%{WORD:t}']}", r#"{"t":"x y"}"#, r#"{"t":["x y","x"]}"#),
        ("match: {t: ['%{WORD:t}']}, keys_to_overwrite: [t]", r#"{"t":"x y"}"#, r#"{"t":"x"}"#),
        ("match: {t: ['%{WORD:a} %{WORD:a}']}", r#"{"t":"x y"}"#, r#"{"t":"x y","a":["x","y"]}"#),
        (
            "match: {t: ['%{WORD:a}'], u: ['%{WORD:a}']}",
            r#"{"t":"x","u":"y"}"#,
            r#"{"t":"x","u":"y","a":["x","y"]}"#,
        ),
        ("match: {t: ['%{WORD:a}']}, target_key: g", r#"{"t":"x"}"#, r#"{"t":"x","g":{"a":"x"}}"#),
        ("match: {t: ['%{WORD:[a][b]}']}", r#"{"t":"x"}"#, r#"{"t":"x","a.b":"x"}"#),
        ("match: {missing: ['%{WORD:a}']}", r#"{"t":"x"}"#, r#"{"t":"x"}"#),
        ("match: {t: ['%{WORD:a}']}", r#"{"t":7}"#, r#"{"t":7,"a":"7"}"#),
        ("match: {t: ['%{WORD:a}']}, grok_when: /t == 1", r#"{"t":7}"#, r#"{"t":7}"#),
    ] {
        let settings = format!("{{{settings}}}");
        assert_eq!(run(&FACTORY, &settings, before).unwrap(), after, "{settings}");
    }
}

#[test]
fn no_match_and_no_patience_leave_their_marks() {
    let settings = "{match: {t: ['%{INT:a}']}, tags_on_match_failure: [none]}";
    assert_eq!(tags(&FACTORY, settings, r#"{"t":"x"}"#), ["none"]);
    assert!(tags(&FACTORY, settings, r#"{"u":"x"}"#).is_empty());
    let slow = r"{match: {t: ['^(a|aa)+\1[bx]$']}, tags_on_match_failure: [none], tags_on_timeout: [slow]}";
    let text = format!(r#"{{"t":"{}c"}}"#, "a".repeat(60));
    assert_eq!(tags(&FACTORY, slow, &text), ["slow"]);
}

#[test]
fn patterns_come_from_files() {
    let folder = std::env::temp_dir().join(format!("grok-{}", std::process::id()));
    fs::create_dir_all(&folder).unwrap();
    fs::write(folder.join("a.grok"), "# comment\nPET cat|dog\n").unwrap();
    fs::write(folder.join("b.txt"), "PET fish\n").unwrap();
    let settings = format!(
        "{{match: {{t: ['%{{PET:p}}']}}, patterns_directories: ['{}'], patterns_files_glob: '*.grok'}}",
        folder.display()
    );
    let after = run(&FACTORY, &settings, r#"{"t":"a dog"}"#);
    fs::remove_dir_all(&folder).unwrap();
    assert_eq!(after.unwrap(), r#"{"t":"a dog","p":"dog"}"#);
    assert!(fits("a.grok", "*") && fits("a.grok", "a*k") && !fits("a.grok", "*.txt"));
}

#[test]
fn what_is_no_pattern_is_refused() {
    for (settings, at, because) in [
        ("{match: {t: ['%{WROD:a}']}}", "match.t[0]", "did you mean `WORD`"),
        ("{match: {t: ['%{WORD:a:int8}']}}", "match.t[0]", "no type"),
        ("{match: {t: ['%{WORD']}}", "match.t[0]", "never closed"),
        ("{match: {t: ['(']}}", "match.t[0]", "not a pattern"),
        ("{match: {t: ['%{A}']}, pattern_definitions: {A: '%{A}'}}", "match.t[0]", "holds itself"),
        ("{match: {}}", "match", "empty"),
        ("{match: {t: []}}", "match.t", "list"),
        (
            "{match: {t: [a]}, patterns_directories: [/nowhere]}",
            "patterns_directories[0]",
            "cannot be read",
        ),
    ] {
        let error = problem(&FACTORY, settings);
        assert_eq!(error.at, at, "{settings}");
        assert!(error.problem.contains(because), "{error}");
    }
}
