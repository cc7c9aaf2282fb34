//! What a Rust file says about settings: structs and enums that serde reads, with their comments.
//! Pure.

use std::collections::BTreeMap;

use quote::ToTokens;
use serde_json::{Map, Value, json};
use syn::{
    Attribute, Expr, Fields, GenericArgument, Item, ItemEnum, ItemFn, ItemStruct, Lit, Meta,
    PathArguments, Stmt, Type,
};

/// What was found in some files.
#[derive(Default)]
pub(crate) struct Source {
    /// The comment that the first file begins with.
    pub(crate) about: String,
    /// Structs and enums by name.
    pub(crate) types: Map<String, Value>,
    constants: BTreeMap<String, String>,
    /// What functions give that serde takes defaults from.
    defaults: BTreeMap<String, String>,
}

impl Source {
    /// Reads one more file.
    pub(crate) fn add(&mut self, text: &str) {
        let file = syn::parse_file(text).expect("it is compiled as well");
        if self.about.is_empty() {
            self.about = docs(&file.attrs);
        }
        for item in &file.items {
            if let Item::Fn(function) = item {
                self.add_default(function);
            }
        }
        for item in file.items {
            match item {
                Item::Struct(it) if is_read(&it.attrs) => {
                    let name = it.ident.to_string();
                    let described = self.structure(&it);
                    self.types.entry(name).or_insert(described);
                }
                Item::Enum(it) if is_read(&it.attrs) => {
                    let described = choice(&it);
                    self.types.entry(it.ident.to_string()).or_insert(described);
                }
                Item::Impl(it) => {
                    for item in it.items {
                        if let syn::ImplItem::Const(it) = item
                            && let Expr::Lit(lit) = &it.expr
                            && let Lit::Str(text) = &lit.lit
                        {
                            self.constants.entry(it.ident.to_string()).or_insert(text.value());
                        }
                    }
                }
                _ => {}
            }
        }
    }

    /// Takes over types that this source does not have itself.
    pub(crate) fn add_types_of(&mut self, other: &Source) {
        for (name, described) in &other.types {
            self.types.entry(name).or_insert_with(|| described.clone());
        }
    }

    /// A text that is a constant of one of the types.
    pub(crate) fn constant(&self, name: &str) -> Option<String> {
        self.constants.get(name).cloned()
    }

    fn add_default(&mut self, function: &ItemFn) {
        if let [Stmt::Expr(value, None)] = function.block.stmts.as_slice() {
            self.defaults.insert(function.sig.ident.to_string(), shown(value));
        }
    }

    fn structure(&self, item: &ItemStruct) -> Value {
        let serde = Serde::of(&item.attrs);
        if serde.converted {
            return json!({ "leaf": true, "about": docs(&item.attrs) });
        }
        let Fields::Named(fields) = &item.fields else {
            return json!({ "leaf": true, "about": docs(&item.attrs) });
        };
        let fields: Vec<Value> = fields
            .named
            .iter()
            .filter_map(|field| {
                let own = Serde::of(&field.attrs);
                let name = field.ident.as_ref()?.to_string();
                let name = own.rename.unwrap_or(name.trim_start_matches("r#").to_owned());
                let (kind, optional) = kind(&field.ty);
                let default = match &own.default {
                    Missing::Function(function) => self.defaults.get(function).cloned(),
                    _ => None,
                };
                let needed = !optional
                    && own.default == Missing::Nowhere
                    && serde.default == Missing::Nowhere;
                Some(json!({
                    "name": name,
                    "about": docs(&field.attrs),
                    "type": kind,
                    "needed": needed,
                    "default": default,
                    "aliases": own.aliases,
                    "flatten": own.flatten,
                }))
            })
            .collect();
        json!({ "about": docs(&item.attrs), "fields": fields })
    }
}

fn choice(item: &ItemEnum) -> Value {
    let serde = Serde::of(&item.attrs);
    if serde.converted || item.variants.iter().any(|it| it.fields != Fields::Unit) {
        return json!({ "leaf": true, "about": docs(&item.attrs) });
    }
    let variants: Vec<Value> = item
        .variants
        .iter()
        .map(|variant| {
            let own = Serde::of(&variant.attrs);
            let name = variant.ident.to_string();
            let is_default = variant.attrs.iter().any(|it| it.path().is_ident("default"));
            json!({
                "name": own.rename.unwrap_or_else(|| cased(&name, serde.rename_all.as_deref())),
                "about": docs(&variant.attrs),
                "default": is_default,
            })
        })
        .collect();
    json!({ "about": docs(&item.attrs), "variants": variants })
}

/// What serde was told about something.
/// Where a value comes from that is not given.
#[derive(Default, PartialEq)]
enum Missing {
    #[default]
    Nowhere,
    Type,
    Function(String),
}

#[derive(Default)]
struct Serde {
    rename: Option<String>,
    rename_all: Option<String>,
    aliases: Vec<String>,
    default: Missing,
    flatten: bool,
    /// Made of something else, such as a text.
    converted: bool,
}

impl Serde {
    fn of(attributes: &[Attribute]) -> Serde {
        let mut serde = Serde::default();
        for attribute in attributes.iter().filter(|it| it.path().is_ident("serde")) {
            // What we do not know is none of our business.
            let _ = attribute.parse_nested_meta(|meta| {
                let name = meta.path.get_ident().map(ToString::to_string).unwrap_or_default();
                let text = match meta.value() {
                    Ok(value) => value.parse::<syn::LitStr>().ok().map(|it| it.value()),
                    Err(_) => None,
                };
                match name.as_str() {
                    "rename" => serde.rename = text,
                    "rename_all" => serde.rename_all = text,
                    "alias" => serde.aliases.extend(text),
                    "default" => serde.default = text.map_or(Missing::Type, Missing::Function),
                    "flatten" => serde.flatten = true,
                    "try_from" | "from" | "untagged" | "transparent" => serde.converted = true,
                    _ => {}
                }
                Ok(())
            });
        }
        serde
    }
}

fn is_read(attributes: &[Attribute]) -> bool {
    let derives = attributes.iter().filter(|it| it.path().is_ident("derive"));
    derives.map(|it| it.to_token_stream().to_string()).any(|it| it.contains("Deserialize"))
}

/// What a setting is, and whether it may be missing.
fn kind(ty: &Type) -> (Value, bool) {
    let Type::Path(path) = ty else { return (json!({ "is": "any" }), false) };
    let Some(last) = path.path.segments.last() else { return (json!({ "is": "any" }), false) };
    let inner: Vec<&Type> = match &last.arguments {
        PathArguments::AngleBracketed(arguments) => arguments
            .args
            .iter()
            .filter_map(|it| match it {
                GenericArgument::Type(ty) => Some(ty),
                _ => None,
            })
            .collect(),
        _ => Vec::new(),
    };
    let of = |n: usize| inner.get(n).map_or(json!({ "is": "any" }), |it| kind(it).0);
    let described = match last.ident.to_string().as_str() {
        "Option" => return (of(0), true),
        "Box" | "Arc" => of(0),
        "Vec" | "NonEmpty" | "OneOrMany" => json!({ "is": "list", "of": of(0) }),
        "BTreeMap" | "HashMap" | "IndexMap" => json!({ "is": "map", "of": of(1) }),
        "Map" => json!({ "is": "map", "of": { "is": "any" } }),
        "bool" => json!({ "is": "bool" }),
        "String" | "PathBuf" | "char" => json!({ "is": "text" }),
        "u8" | "u16" | "u32" | "u64" | "usize" | "i8" | "i16" | "i32" | "i64" | "isize"
        | "NonZeroUsize" | "NonZeroU32" | "NonZeroU64" => json!({ "is": "integer" }),
        "f32" | "f64" | "Number" | "Decimal" => json!({ "is": "number" }),
        "Value" | "IgnoredAny" => json!({ "is": "any" }),
        name => json!({ "is": "named", "name": name }),
    };
    (described, false)
}

/// A comment, its lines joined; a blank line stays one.
fn docs(attributes: &[Attribute]) -> String {
    let mut text = String::new();
    for attribute in attributes.iter().filter(|it| it.path().is_ident("doc")) {
        if let Meta::NameValue(meta) = &attribute.meta
            && let Expr::Lit(lit) = &meta.value
            && let Lit::Str(line) = &lit.lit
        {
            text.push_str(line.value().strip_prefix(' ').unwrap_or(&line.value()));
            text.push('\n');
        }
    }
    text.trim_end().to_owned()
}

/// A default as a user would write it.
fn shown(value: &Expr) -> String {
    match value {
        Expr::Lit(lit) => match &lit.lit {
            Lit::Str(text) => text.value(),
            Lit::Int(number) => number.base10_digits().to_owned(),
            Lit::Float(number) => number.base10_digits().to_owned(),
            other => other.to_token_stream().to_string(),
        },
        Expr::MethodCall(call) => shown(&call.receiver),
        Expr::Macro(it) if it.mac.tokens.is_empty() => "[]".to_owned(),
        Expr::Macro(it) => format!("[{}]", it.mac.tokens.to_string().replace(" . to_owned ()", "")),
        Expr::Path(path) => {
            path.path.segments.last().map_or(String::new(), |it| it.ident.to_string())
        }
        Expr::Call(call) => call.args.iter().map(shown).collect::<Vec<_>>().join(", "),
        other => other.to_token_stream().to_string(),
    }
}

/// `TrimHorizon` as serde names it.
fn cased(name: &str, rule: Option<&str>) -> String {
    let words = |between: char, upper: bool| {
        let mut out = String::new();
        for (n, letter) in name.chars().enumerate() {
            if letter.is_uppercase() && n != 0 {
                out.push(between);
            }
            out.push(if upper { letter.to_ascii_uppercase() } else { letter.to_ascii_lowercase() });
        }
        out
    };
    match rule {
        Some("snake_case") => words('_', false),
        Some("kebab-case") => words('-', false),
        Some("SCREAMING_SNAKE_CASE") => words('_', true),
        Some("lowercase") => name.to_ascii_lowercase(),
        Some("UPPERCASE") => name.to_ascii_uppercase(),
        _ => name.to_owned(),
    }
}
