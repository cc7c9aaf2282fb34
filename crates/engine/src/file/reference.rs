//! Values that stand elsewhere: in the environment, in a file, in a secret.
//!
//! It asks for them through functions it is given, and decides only what is asked for.
//!
//! | written | is |
//! | --- | --- |
//! | `${env:NAME}`, `${env:NAME:-default}` | an environment variable, anywhere in a text |
//! | `${NAME}`, `${NAME:-default}` | the same in capitals, where `${…}` is no field |
//! | `${file:path}` | what a file holds, anywhere in a text |
//! | `$${` | `${`, where `${…}` is no field |
//! | `${{aws_secrets:id}}`, `${{aws_secrets:id:key}}` | a secret; the whole text and nothing else |
//!
//! In some settings Data Prepper takes `${NAME}` for a field of the event. There it stays one.

use pipeline::{ConfigError, Place, Settings, Substitute, nearest};

use super::{ReadVariable, Reading, Secrets, problems::Found};

/// Settings in which `${name}` is a field of the event.
const TEMPLATES: [&str; 10] = [
    "action",
    "document_id",
    "document_version",
    "format",
    "index",
    "key",
    "metadata_key",
    "path_prefix",
    "routing",
    "type",
];
/// Settings that hold such settings under names of the user's choice.
const MAPS_OF_TEMPLATES: [&str; 3] = ["params", "with_data", "with_metadata"];

/// What reads a file by its name, or says why not.
type ReadFile<'a> = &'a dyn Fn(&str) -> Result<String, String>;

/// Puts in what the file refers to.
pub(super) fn resolve(
    file: &Settings,
    reading: &Reading<'_>,
    read_file: ReadFile<'_>,
    stand_ins: &mut Vec<Place>,
    found: &mut Found,
) -> Settings {
    let environment = reading.environment;
    let references = References { environment, read_file };
    file.substituted(&mut |names, value| {
        let text = value.text().unwrap_or_default();
        if !text.contains("${") {
            return Substitute::AsWritten;
        }
        if let Some(inside) = text.strip_prefix("${{").and_then(|it| it.strip_suffix("}}")) {
            let secret = check_secret(file, inside)
                .and_then(|(id, key)| secret(id, key, names, reading.secrets));
            return match secret {
                Ok(substitute) => {
                    stand_ins.push(value.place());
                    substitute
                }
                Err((problem, help)) => {
                    found.error(value.problem("", problem).with_help(help));
                    Substitute::AsWritten
                }
            };
        }
        let in_template = is_template(names);
        match references.resolve(text, in_template) {
            Ok(resolved) if resolved == text => {
                warn_of_lookalike(value, in_template, environment, found);
                Substitute::AsWritten
            }
            Ok(resolved) => Substitute::Text(resolved),
            Err(Wrong { bytes, problem, help }) => {
                let error = value.problem_within("", bytes, problem);
                found.error(ConfigError { help, ..error });
                Substitute::AsWritten
            }
        }
    })
}

/// The secret, or what is known in its place.
fn secret(
    id: &str,
    key: Option<&str>,
    names: &[&str],
    secrets: Secrets<'_>,
) -> Result<Substitute, (String, String)> {
    let read = match secrets {
        Secrets::Unknown => return Ok(Substitute::Unresolved),
        Secrets::StandIn if names.contains(&"hosts") => {
            return Ok(Substitute::Text("https://secret.example".to_owned()));
        }
        // It does for a text as well as for a number.
        Secrets::StandIn => return Ok(Substitute::Text("1".to_owned())),
        Secrets::Known(read) => read,
    };
    read(id, key).map(Substitute::Text).map_err(|problem| {
        let help = format!("see what the secret `{id}` holds, and who may read it");
        (problem, help)
    })
}

fn is_template(names: &[&str]) -> bool {
    names.last().is_some_and(|name| TEMPLATES.contains(name))
        || names.iter().any(|name| MAPS_OF_TEMPLATES.contains(name))
}

struct References<'a> {
    environment: ReadVariable<'a>,
    read_file: ReadFile<'a>,
}

/// A reference that leads nowhere, and where it stands in its text.
struct Wrong {
    bytes: std::ops::Range<usize>,
    problem: String,
    help: Option<String>,
}

impl References<'_> {
    fn resolve(&self, text: &str, in_template: bool) -> Result<String, Wrong> {
        let mut resolved = String::with_capacity(text.len());
        let mut at = 0;
        while let Some(start) = text[at..].find("${").map(|it| at + it) {
            if !in_template && text[at..start].ends_with('$') {
                resolved.push_str(&text[at..start - 1]);
                resolved.push_str("${");
                at = start + 2;
                continue;
            }
            let Some(end) = text[start..].find('}').map(|it| start + it + 1) else { break };
            resolved.push_str(&text[at..start]);
            let whole = &text[start..end];
            let inside = &text[start + 2..end - 1];
            let value = self.value(inside, in_template);
            let value =
                value.map_err(|(problem, help)| Wrong { bytes: start..end, problem, help })?;
            resolved.push_str(value.as_deref().unwrap_or(whole));
            at = end;
        }
        resolved.push_str(text.get(at..).unwrap_or_default());
        Ok(resolved)
    }

    /// What `${inside}` refers to; `None` if it is no reference.
    fn value(
        &self,
        inside: &str,
        in_template: bool,
    ) -> Result<Option<String>, (String, Option<String>)> {
        if let Some(path) = inside.strip_prefix("file:") {
            let help = || Some("check the path; it is relative to this file".to_owned());
            return (self.read_file)(path).map(Some).map_err(|problem| (problem, help()));
        }
        let (name, default) = match inside.split_once(":-") {
            Some((name, default)) => (name, Some(default)),
            None => (inside, None),
        };
        let name = match name.strip_prefix("env:") {
            Some(name) => name,
            None if is_variable(name) && (!in_template || default.is_some()) => name,
            None => return Ok(None),
        };
        match (self.environment)(name).or_else(|| default.map(str::to_owned)) {
            Some(value) => Ok(Some(value)),
            None => Err((
                format!("the environment variable `{name}` is not set"),
                Some(format!("set it, or give a default: `${{{inside}:-…}}`")),
            )),
        }
    }
}

/// The names that environment variables usually have, and fields seldom.
fn is_variable(name: &str) -> bool {
    let is_letter = |it: u8| it.is_ascii_uppercase() || it == b'_';
    name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|it| is_letter(it) || it.is_ascii_digit())
}

/// A field that has the name of a variable was perhaps meant to be the variable.
fn warn_of_lookalike(
    value: &Settings,
    in_template: bool,
    environment: ReadVariable<'_>,
    found: &mut Found,
) {
    let text = value.text().unwrap_or_default();
    for (start, _) in text.match_indices("${").filter(|_| in_template) {
        let Some(length) = text[start..].find('}') else { continue };
        let name = &text[start + 2..start + length];
        if is_variable(name) && environment(name).is_some() {
            let problem = format!("`${{{name}}}` is a field of the event here");
            let warning = value.problem_within("", start..start + length + 1, problem);
            let help = format!("for the environment variable write `${{env:{name}}}`");
            found.warn(warning.with_help(help));
        }
    }
}

/// Whether `aws_secrets:id` or `aws_secrets:id:key` refers to a secret that the file defines.
/// Gives both.
fn check_secret<'a>(
    file: &Settings,
    inside: &'a str,
) -> Result<(&'a str, Option<&'a str>), (String, String)> {
    let Some(reference) = inside.strip_prefix("aws_secrets:") else {
        let problem = format!("`${{{{{inside}}}}}` refers to nothing we know");
        return Err((
            problem,
            "write `${{aws_secrets:id:key}}`, `${env:NAME}` or `${file:path}`".to_owned(),
        ));
    };
    let (id, key) = match reference.split_once(':') {
        Some((id, key)) => (id, Some(key)),
        None => (reference, None),
    };
    let is_id = |it: char| it.is_ascii_alphanumeric() || "/_+.=@-".contains(it);
    if id.is_empty() || !id.chars().all(is_id) || key.is_some_and(str::is_empty) {
        let problem = format!("`${{{{{inside}}}}}` is not the name of a secret");
        return Err((
            problem,
            "write `${{aws_secrets:id}}` or `${{aws_secrets:id:key}}`".to_owned(),
        ));
    }
    let ids = ["extension", "pipeline_configurations"]
        .iter()
        .filter_map(|key| file.get(key)?.get("aws.secrets"))
        .flat_map(|secrets| {
            secrets.entries().into_iter().map(|(id, _)| id.to_owned()).collect::<Vec<_>>()
        })
        .collect::<Vec<String>>();
    if ids.iter().any(|it| it == id) {
        return Ok((id, key));
    }
    let help = match nearest(id, ids.iter().map(String::as_str)) {
        Some(near) => format!("did you mean `{near}`?"),
        None => format!("define it: `extension: {{aws: {{secrets: {{{id}: {{secret_id: …}}}}}}}}`"),
    };
    Err((format!("there is no secret `{id}`"), help))
}
