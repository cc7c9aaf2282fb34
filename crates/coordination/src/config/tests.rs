use super::*;

fn read(yaml: &str) -> Result<(Coordination, Vec<ConfigError>), ConfigError> {
    Coordination::read(&Settings::from_yaml(yaml).unwrap())
}

#[test]
fn a_table_is_read_with_all_its_settings() {
    let yaml = "
partition_prefix: blue
store:
  dynamodb:
    table_name: leases
    region: eu-west-1
    sts_role_arn: arn:aws:iam::123456789012:role/leases
    sts_external_id: x
    skip_table_creation: true
    provisioned_read_capacity_units: 7
    ttl: P3D
";
    let expected = TableConfig {
        region: Some("eu-west-1".to_owned()),
        sts_role_arn: Some("arn:aws:iam::123456789012:role/leases".to_owned()),
        sts_external_id: Some("x".to_owned()),
        partition_prefix: Some("blue".to_owned()),
        skip_table_creation: true,
        capacity: Some((7, 10)),
        ttl: Duration::from_hours(72),
        ..TableConfig::named("leases")
    };
    assert_eq!(read(yaml).unwrap(), (Coordination::Table(Box::new(expected)), Vec::new()));
}

#[test]
fn a_table_needs_little_and_its_keys_may_be_written_in_camel_case() {
    for yaml in [
        "store: { dynamodb: { table_name: leases, region: eu-west-1 } }",
        "store: { dynamodb: { tableName: leases, region: eu-west-1 } }",
    ] {
        let expected =
            TableConfig { region: Some("eu-west-1".to_owned()), ..TableConfig::named("leases") };
        assert_eq!(expected.capacity, None, "billed on demand");
        assert_eq!(
            read(yaml).unwrap(),
            (Coordination::Table(Box::new(expected)), Vec::new()),
            "{yaml}"
        );
    }
}

#[test]
fn in_memory_means_the_data_directory() {
    for yaml in ["store: { in_memory: }", "store: { in_memory: {} }"] {
        assert_eq!(read(yaml).unwrap(), (Coordination::DataDirectory, Vec::new()), "{yaml}");
    }
    let (_, warnings) = read("{ partition_prefix: x, store: { in_memory: } }").unwrap();
    assert!(warnings[0].to_string().contains("has no effect"), "{}", warnings[0]);
}

#[test]
fn what_makes_no_sense_is_refused_by_name() {
    let table = |more: &str| format!("store: {{ dynamodb: {{ region: eu-west-1, {more} }} }}");
    for (yaml, part) in [
        (table("table_name: x"), "store.dynamodb.table_name"),
        (table("table_name: a b c"), "store.dynamodb.table_name"),
        (table("table_name: leases, ttl: PT1H"), "at least `P2D`"),
        (table("table_name: leases, sts_role_arn: leases"), "whole ARN"),
        (table("table_name: leases, provisioned_read_capacity_units: 0"), "at least 1"),
        (table("table_name: leases, provisioned_write_capacity_units: 0"), "at least 1"),
        (table("table_name: leases, tabel: x"), "tabel"),
        ("store: { dynamodb: { table_name: leases } }".to_owned(), "region"),
        ("store: { redis: {} }".to_owned(), "redis"),
        ("store: {}".to_owned(), "name a store"),
        (
            "store: { in_memory: {}, dynamodb: { table_name: leases, region: x } }".to_owned(),
            "name one store",
        ),
    ] {
        let error = read(&yaml).unwrap_err().to_string();
        assert!(error.contains(part), "{yaml}: {error}");
    }
}

#[test]
fn an_address_says_all_that_is_needed() {
    let text = "dynamodb://my.leases?region=eu-west-1&endpoint=http://127.0.0.1:8000&role=arn:x\
                &external_id=e&prefix=p&create=false&term=5s";
    let expected = TableConfig {
        region: Some("eu-west-1".to_owned()),
        endpoint: Some("http://127.0.0.1:8000".to_owned()),
        sts_role_arn: Some("arn:x".to_owned()),
        sts_external_id: Some("e".to_owned()),
        partition_prefix: Some("p".to_owned()),
        skip_table_creation: true,
        term: Duration::from_secs(5),
        ..TableConfig::named("my.leases")
    };
    assert_eq!(Coordination::from_address(text), Ok(Coordination::Table(Box::new(expected))));
    let plain = Coordination::Table(Box::new(TableConfig::named("leases")));
    assert_eq!(Coordination::from_address("dynamodb://leases"), Ok(plain.clone()));
    assert_eq!(Coordination::from_address("dynamodb://leases?create=true"), Ok(plain));
}

#[test]
fn what_is_no_address_is_told_how_to_write_one() {
    for (text, part) in [
        ("leases", "does not begin"),
        ("dynamodb://", "3 to 255"),
        ("dynamodb://leases?zone=a", "no option `zone`"),
        ("dynamodb://leases?create=no", "`true` or `false`"),
        ("dynamodb://leases?term=2s", "between 3s and 1h"),
        ("dynamodb://leases?term=2h", "between 3s and 1h"),
        ("dynamodb://leases?term=long", "not a duration"),
    ] {
        let error = Coordination::from_address(text).unwrap_err().to_string();
        assert!(error.contains(part) && error.contains("dynamodb://TABLE"), "{text}: {error}");
    }
    assert!(Coordination::from_address("dynamodb://leases?term=3s").is_ok());
    assert!(Coordination::from_address("dynamodb://leases?term=1h").is_ok());
}
