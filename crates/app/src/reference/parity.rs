//! What Data Prepper has, and whether we have it: processor by processor, option by option. Pure.

use std::fmt::Write;

use processors::{ABSENT, NOT_HERE, PARITY, Parity};

use super::Plugin;

/// The page.
pub(super) fn page(plugins: &[Plugin], made: &str) -> String {
    let mut text = format!(
        "{made}\n\n# Processors of Data Prepper, and ours\n\n\
         *Yes* does the same; what *differs* says how; *no* is refused by name; *added* is ours alone.\n"
    );
    for (name, options) in PARITY {
        let _ = write!(text, "\n## `{name}`\n");
        let plugin = plugins.iter().find(|it| it.kind == "processor" && it.name == *name);
        if let Some(differs) = plugin.and_then(|it| it.about_and_differences().1) {
            let _ = write!(text, "\n*Differs:* {differs}\n");
        }
        if options.is_empty() {
            continue;
        }
        text.push_str("\n| Option | Here | |\n| --- | --- | --- |\n");
        for (option, parity) in *options {
            let (verdict, why) = match parity {
                Parity::Yes => ("yes", ""),
                Parity::Differs(why) => ("differs", *why),
                Parity::No(why) => ("no", *why),
                Parity::Added(why) => ("added", *why),
            };
            let _ = writeln!(text, "| `{option}` | {verdict} | {} |", why.replace('|', "\\|"));
        }
    }
    for (name, options) in ABSENT {
        let _ = write!(text, "\n## `{name}`\n\n| Option | Here | |\n| --- | --- | --- |\n");
        let (_, why) = NOT_HERE.iter().find(|(it, _)| it == name).unwrap_or(&("", ""));
        for option in *options {
            let _ = writeln!(text, "| `{option}` | no | {why} |");
        }
    }
    text.push_str("\n## Not here\n\n| Processor | Instead |\n| --- | --- |\n");
    for (name, instead) in NOT_HERE {
        let _ = writeln!(text, "| `{name}` | {instead} |");
    }
    text
}
