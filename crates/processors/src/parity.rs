//! Each processor and option of Data Prepper, and whether it is here. Pure.
//!
//! The reference prints this list, and a test compares it with what processors accept. What differs
//! in a processor as a whole stands at the top of its file.

/// Whether an option is here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Parity {
    /// As in Data Prepper.
    Yes,
    /// It is here, but something is different, and why.
    Differs(&'static str),
    /// It has no place here, and why. It is refused by name.
    No(&'static str),
    /// Ours alone.
    Added(&'static str),
}

use Parity::{Added, Differs, No, Yes};

const EXACT: Parity = Differs("all digits are kept, where Data Prepper rounds or wraps");
const DEAD_LETTER: Parity =
    Differs("without tags, an event that fails goes to the dead letters, and is not let through");
const NO_EFFECT: Parity = Differs("accepted; has no effect, as the processor's page says");

/// The options of every processor; of entries, mappings and actions as `entries.key`.
pub const PARITY: &[(&str, &[(&str, Parity)])] = &[
    (
        "add_entries",
        &[
            ("entries", Yes),
            ("entries.key", Yes),
            ("entries.metadata_key", Yes),
            ("entries.value", Yes),
            ("entries.format", Differs("any expression may stand in it, not only keys")),
            ("entries.value_expression", Yes),
            ("entries.overwrite_if_key_exists", Yes),
            ("entries.append_if_key_exists", Yes),
            ("entries.add_when", Yes),
            ("entries.iterate_on", Yes),
            ("entries.add_to_element_when", Yes),
            ("entries.evaluate_when_on_element", Yes),
            ("entries.flatten_key", Yes),
            ("entries.disable_root_keys", Yes),
        ],
    ),
    (
        "aggregate",
        &[
            ("identification_keys", Yes),
            ("action", Differs("sums are exact; tail_sampler decides by the keys of the group")),
            ("group_duration", Yes),
            ("local_mode", NO_EFFECT),
            ("aggregate_when", Differs("other events go on; none ends silently")),
            ("output_unaggregated_events", Yes),
            ("aggregated_events_tag", Yes),
            ("acknowledge_on_conclude", NO_EFFECT),
            ("disable_group_acknowledgments", Yes),
        ],
    ),
    (
        "convert_type",
        &[
            ("key", Yes),
            ("keys", Yes),
            ("type", EXACT),
            ("scale", Yes),
            ("null_conversion_values", Yes),
            ("null_values", Yes),
            ("coerce_strings", Yes),
            ("iterate_on", Yes),
            ("tags_on_failure", DEAD_LETTER),
            ("convert_when", Yes),
        ],
    ),
    (
        "copy_values",
        &[
            ("entries", Yes),
            ("entries.from_key", Yes),
            ("entries.to_key", Yes),
            ("entries.overwrite_if_to_key_exists", Yes),
            ("entries.copy_when", Yes),
            ("from_list", Yes),
            ("to_list", Yes),
            ("overwrite_if_to_list_exists", Yes),
        ],
    ),
    (
        "csv",
        &[
            ("source", Yes),
            ("delimiter", Yes),
            ("quote_character", Yes),
            ("column_names", Yes),
            ("column_names_source_key", Yes),
            ("delete_header", Yes),
            ("delete_source", Yes),
            ("multiline", Yes),
            ("tags_on_failure", DEAD_LETTER),
            ("csv_when", Yes),
        ],
    ),
    (
        "date",
        &[
            ("match", Yes),
            ("from_time_received", Differs("it is the time of processing")),
            ("destination", Yes),
            ("output_format", Yes),
            ("source_timezone", Differs("UTC unless set, not the zone of the machine")),
            ("destination_timezone", Differs("UTC unless set, not the zone of the machine")),
            ("locale", Differs("only English is known")),
            ("origination_timestamp_to_metadata", Yes),
            ("to_origination_metadata", Yes),
            ("date_when", Yes),
            ("tags_on_failure", Added("marks an event whose time cannot be read")),
        ],
    ),
    (
        "decompress",
        &[("keys", Yes), ("type", Yes), ("decompress_when", Yes), ("tags_on_failure", Yes)],
    ),
    ("delay", &[("for", Differs("at most a minute, because a stop waits for it"))]),
    (
        "delete_entries",
        &[
            ("with_keys", Yes),
            ("with_keys_regex", Yes),
            ("exclude_from_delete", Yes),
            ("delete_when", Yes),
            ("iterate_on", Yes),
            ("delete_from_element_when", Yes),
            ("entries", Yes),
        ],
    ),
    (
        "dissect",
        &[
            ("map", Yes),
            ("target_types", Yes),
            ("dissect_when", Yes),
            ("tags_on_failure", Added("marks an event whose text does not fit")),
        ],
    ),
    (
        "drop_events",
        &[
            ("drop_when", Yes),
            ("handle_failed_events", Differs("a condition is checked when the pipeline starts")),
        ],
    ),
    (
        "filter_list",
        &[
            ("iterate_on", Yes),
            ("keep_element_when", Yes),
            ("target", Yes),
            ("filter_list_when", Yes),
            ("tags_on_failure", DEAD_LETTER),
        ],
    ),
    (
        "flatten",
        &[
            ("source", Yes),
            ("target", Yes),
            ("remove_source_keys", Yes),
            ("remove_processed_fields", Yes),
            ("remove_list_elements", Yes),
            ("remove_list_indices", Yes),
            ("remove_brackets", Yes),
            ("exclude_keys", Yes),
            ("flatten_separator", Yes),
            ("flatten_when", Yes),
            ("tags_on_failure", DEAD_LETTER),
        ],
    ),
    (
        "geoip",
        &[
            ("entries", Yes),
            ("entries.source", Yes),
            ("entries.target", Yes),
            ("entries.include_fields", Yes),
            ("entries.exclude_fields", Yes),
            ("geoip_when", Yes),
            ("lookup_private_addresses", Yes),
            ("tags_on_no_valid_ip", Yes),
            ("tags_on_ip_not_found", Yes),
            ("tags_on_engine_failure", Yes),
            ("databases", Added("the MaxMind files; Data Prepper names them in an extension")),
        ],
    ),
    (
        "grok",
        &[
            ("match", Yes),
            ("target_key", Yes),
            ("break_on_match", Yes),
            ("keep_empty_captures", Yes),
            ("named_captures_only", Yes),
            ("keys_to_overwrite", Yes),
            ("pattern_definitions", Yes),
            ("patterns_directories", Yes),
            ("patterns_files_glob", Yes),
            ("timeout_millis", Differs("steps are counted, not time; 0 still never gives up")),
            ("tags_on_match_failure", Yes),
            ("tags_on_timeout", Yes),
            ("performance_metadata", Differs("patterns are counted, time is not")),
            ("grok_when", Yes),
        ],
    ),
    (
        "key_value",
        &[
            ("source", Yes),
            ("destination", Yes),
            ("field_split_characters", Differs("several equal characters are one delimiter")),
            ("field_delimiter_regex", Yes),
            ("value_split_characters", Differs("several equal characters are one delimiter")),
            ("key_value_delimiter_regex", Yes),
            ("non_match_value", Yes),
            ("drop_keys_with_no_value", Yes),
            ("prefix", Yes),
            ("delete_key_regex", Yes),
            ("delete_value_regex", Yes),
            ("include_keys", Yes),
            ("exclude_keys", Yes),
            ("default_values", Yes),
            ("transform_key", Yes),
            ("whitespace", Yes),
            ("skip_duplicate_values", Yes),
            ("remove_brackets", Yes),
            ("value_grouping", Yes),
            ("strict_grouping", Yes),
            ("string_literal_character", Yes),
            ("recursive", Yes),
            ("normalize_keys", Yes),
            ("overwrite_if_destination_exists", Yes),
            ("tags_on_failure", DEAD_LETTER),
            ("key_value_when", Yes),
        ],
    ),
    (
        "list_to_map",
        &[
            ("source", Yes),
            ("key", Yes),
            ("target", Yes),
            ("value_key", Yes),
            ("extract_value", Yes),
            ("use_source_key", Yes),
            ("flatten", Yes),
            ("flattened_element", Yes),
            ("list_to_map_when", Yes),
            ("tags_on_failure", DEAD_LETTER),
        ],
    ),
    ("lowercase_string", &[("with_keys", Yes)]),
    (
        "map_to_list",
        &[
            ("source", Yes),
            ("target", Yes),
            ("key_name", Yes),
            ("value_name", Yes),
            ("exclude_keys", Yes),
            ("remove_processed_fields", Yes),
            ("convert_field_to_list", Yes),
            ("map_to_list_when", Yes),
            ("tags_on_failure", DEAD_LETTER),
        ],
    ),
    ("no-op", &[]),
    (
        "obfuscate",
        &[
            ("source", Yes),
            ("target", Yes),
            ("patterns", Yes),
            ("action", Yes),
            ("single_word_only", Yes),
            ("obfuscate_when", Yes),
            ("tags_on_match_failure", Yes),
        ],
    ),
    ("parse_ion", PARSE),
    ("parse_json", PARSE_JSON),
    ("parse_xml", PARSE),
    (
        "rate_limiter",
        &[
            ("events_per_second", Yes),
            ("when_exceeds", Yes),
            ("limit_when", Yes),
            ("counter_retention", NO_EFFECT),
        ],
    ),
    (
        "rename_keys",
        &[
            ("entries", Yes),
            ("entries.from_key", Yes),
            ("entries.from_key_regex", Yes),
            ("entries.to_key", Yes),
            ("entries.overwrite_if_to_key_exists", Yes),
            ("entries.rename_when", Yes),
            ("transform_key", Yes),
        ],
    ),
    (
        "replace_string",
        &[
            ("entries", Yes),
            ("entries.source", Yes),
            ("entries.from", Yes),
            ("entries.to", Yes),
            ("entries.replace_when", Yes),
        ],
    ),
    (
        "select_entries",
        &[
            ("include_keys", Yes),
            ("include_keys_regex", Yes),
            ("include_keys_regex_pointer", Yes),
            ("select_when", Yes),
        ],
    ),
    ("split_event", &[("field", Yes), ("delimiter", Yes), ("delimiter_regex", Yes)]),
    (
        "split_string",
        &[
            ("entries", Yes),
            ("entries.source", Yes),
            ("entries.delimiter", Yes),
            ("entries.delimiter_regex", Yes),
            ("entries.split_when", Yes),
        ],
    ),
    ("string_converter", &[("upper_case", Yes)]),
    (
        "substitute_string",
        &[
            ("entries", Yes),
            ("entries.source", Yes),
            ("entries.from", Yes),
            ("entries.to", Yes),
            ("entries.substitute_when", Yes),
        ],
    ),
    (
        "translate",
        &[
            ("mappings", Yes),
            ("mappings.source", Yes),
            ("mappings.targets", Yes),
            ("file", Yes),
            ("file.name", Yes),
            ("file.aws", No("a processor does no I/O while it runs; name a local file")),
        ],
    ),
    ("trim_string", &[("with_keys", Yes)]),
    (
        "truncate",
        &[
            ("entries", Yes),
            ("entries.source_keys", Yes),
            ("entries.start_at", Yes),
            ("entries.length", Yes),
            ("entries.recursive", Yes),
            ("entries.truncate_when", Yes),
        ],
    ),
    ("uppercase_string", &[("with_keys", Yes)]),
    (
        "user_agent",
        &[
            ("source", Yes),
            ("target", Yes),
            ("exclude_original", Yes),
            ("cache_size", NO_EFFECT),
            ("tags_on_parse_failure", DEAD_LETTER),
        ],
    ),
    (
        "wrap_entries",
        &[
            ("source", Yes),
            ("target", Yes),
            ("key", Yes),
            ("exclude_null_empty_values", Yes),
            ("append_if_target_exists", Yes),
            ("wrap_entries_when", Yes),
            ("tags_on_failure", DEAD_LETTER),
        ],
    ),
    ("write_json", &[("source", Yes), ("target", Yes)]),
];

const PARSE: &[(&str, Parity)] = &[
    ("source", Yes),
    ("destination", Yes),
    ("pointer", Yes),
    ("depth", Yes),
    ("overwrite_if_destination_exists", Yes),
    ("delete_source", Yes),
    ("parse_when", Yes),
    ("tags_on_failure", DEAD_LETTER),
    ("handle_failed_events", Yes),
];

const PARSE_JSON: &[(&str, Parity)] = &[
    ("source", Yes),
    ("destination", Yes),
    ("pointer", Yes),
    ("depth", Yes),
    ("overwrite_if_destination_exists", Yes),
    ("delete_source", Yes),
    ("normalize_keys", Yes),
    ("parse_when", Yes),
    ("tags_on_failure", DEAD_LETTER),
    ("handle_failed_events", Yes),
];
