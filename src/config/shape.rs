//! Names, types and ranges: the tree of values held against the JSON Schema of the settings.
//!
//! Unlike a deserialiser this goes on after the first problem, knows the full name of every key and
//! can say what to write instead.

#![expect(
    clippy::wildcard_enum_match_arm,
    reason = "other kinds of value than the wanted ones do not fit, whichever they are"
)]

use std::collections::BTreeMap;

use config::{Value, ValueKind};
use schemars::generate::SchemaSettings;
use serde_json::{Map, Value as Json};

use super::environment::PREFIX;
use super::layers::ORIGIN_DEFAULT;
use super::secret::masked;
use super::{Problem, Settings};

/// What became of the tree.
#[derive(Debug, Default)]
pub(super) struct Shaped {
    /// The values that fit, ready to be deserialised.
    pub(super) json: Json,
    /// Where each value that is not a default came from, by its key.
    pub(super) origins: BTreeMap<String, String>,
    /// What did not fit.
    pub(super) problems: Vec<Problem>,
}

/// Holds the tree against the schema.
pub(super) fn shape(tree: &Value) -> Shaped {
    let schema = SchemaSettings::draft2020_12()
        .with(|settings| settings.inline_subschemas = true)
        .into_generator()
        .into_root_schema_for::<Settings>();
    let mut shaped = Shaped::default();
    shaped.json = shaped.value("", tree, schema.as_value()).unwrap_or_default();
    shaped
}

impl Shaped {
    fn problem(&mut self, key: &str, value: &Value, rule: &str) {
        let from = match value.origin() {
            Some(origin) if origin.starts_with(PREFIX) => format!(" (from {origin})"),
            _ => String::new(),
        };
        self.problems.push(Problem::new(key, format!("{rule}{from}")));
    }

    /// One value; `None` if it does not fit.
    fn value(&mut self, key: &str, value: &Value, schema: &Json) -> Option<Json> {
        let schema = without_null(schema);
        let kind = kind_of(schema);
        if kind == "object" {
            return self.section(key, value, schema);
        }
        if let Some(origin) = value.origin()
            && origin != ORIGIN_DEFAULT
        {
            self.origins.insert(key.to_owned(), origin.to_owned());
        }
        if kind == "array" {
            return self.list(key, value, schema);
        }
        let read = match kind {
            "integer" | "number" => number(value, kind),
            "boolean" => boolean(value),
            _ => text(value),
        };
        if !read.as_ref().is_some_and(|json| allowed(json, schema)) {
            let rule = format!("must be {}, got {}", wanted(key, schema), got(value));
            self.problem(key, value, &rule);
            return read.filter(Json::is_u64).or_else(|| stand_in(schema));
        }
        read
    }

    fn section(&mut self, key: &str, value: &Value, schema: &Json) -> Option<Json> {
        let ValueKind::Table(table) = &value.kind else {
            self.problem(key, value, &format!("must be a section of its own, got {}", got(value)));
            return None;
        };
        let known = schema["properties"].as_object();
        let any = schema.get("additionalProperties").filter(|any| any.is_object());
        let mut section = Map::new();
        let mut names: Vec<&String> = table.keys().collect();
        names.sort();
        for name in names {
            let inner = &table[name];
            let full = join(key, name);
            match known.and_then(|known| known.get(name)).or(any) {
                Some(schema) => {
                    if let Some(json) = self.value(&full, inner, schema) {
                        section.insert(name.clone(), json);
                    }
                }
                None => self.unknown(&full, key, name, inner, known),
            }
        }
        let required = schema["required"].as_array().into_iter().flatten();
        for name in required.filter_map(Json::as_str) {
            if !table.contains_key(name) {
                let wanted =
                    known.and_then(|known| known.get(name)).map_or_else(String::new, |one| {
                        format!(": must be {}", wanted(name, without_null(one)))
                    });
                self.problem(&join(key, name), value, &format!("is missing{wanted}"));
                if let Some(json) = known.and_then(|known| stand_in(known.get(name)?)) {
                    section.insert(name.to_owned(), json);
                }
            }
        }
        Some(Json::Object(section))
    }

    fn unknown(
        &mut self,
        full: &str,
        section: &str,
        name: &str,
        value: &Value,
        known: Option<&Map<String, Json>>,
    ) {
        let names: Vec<&str> =
            known.into_iter().flat_map(|known| known.keys().map(String::as_str)).collect();
        let rule = match nearest(name, &names) {
            Some(near) => format!("is not a known key, did you mean {}?", join(section, near)),
            None => format!("is not a known key, known here are {}", names.join(", ")),
        };
        self.problem(full, value, &rule);
    }

    fn list(&mut self, key: &str, value: &Value, schema: &Json) -> Option<Json> {
        let items: Vec<Value> = match &value.kind {
            ValueKind::Array(items) => items.clone(),
            // From the environment a list is one text with commas.
            ValueKind::String(text) if from_environment(value) => text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(Value::from)
                .collect(),
            _ => {
                let rule = format!("must be a list such as [\"a\", \"b\"], got {}", got(value));
                self.problem(key, value, &rule);
                return None;
            }
        };
        let fitted = items
            .iter()
            .enumerate()
            .map(|(n, item)| self.value(&format!("{key}[{n}]"), item, &schema["items"]))
            .collect::<Option<Vec<Json>>>();
        self.origins.retain(|known, _| !known.starts_with(&format!("{key}[")));
        fitted.map(Json::Array)
    }
}

/// The name among `known` that was probably meant.
pub(super) fn nearest<'a>(name: &str, known: &[&'a str]) -> Option<&'a str> {
    known
        .iter()
        .map(|known| (strsim::jaro_winkler(known, name), *known))
        .filter(|(likeness, _)| *likeness > 0.8)
        .max_by(|a, b| a.0.total_cmp(&b.0))
        .map(|(_, known)| known)
}

fn join(section: &str, name: &str) -> String {
    if section.is_empty() { name.to_owned() } else { format!("{section}.{name}") }
}

/// The schema of the value itself where the schema also allows null.
fn without_null(schema: &Json) -> &Json {
    let choices = schema["anyOf"].as_array();
    let real = choices.and_then(|choices| choices.iter().find(|one| one["type"] != "null"));
    real.unwrap_or(schema)
}

fn kind_of(schema: &Json) -> &str {
    match &schema["type"] {
        Json::Array(kinds) => {
            kinds.iter().filter_map(Json::as_str).find(|kind| *kind != "null").unwrap_or("string")
        }
        kind => kind.as_str().unwrap_or("string"),
    }
}

fn from_environment(value: &Value) -> bool {
    value.origin().is_some_and(|origin| origin.starts_with(PREFIX))
}

fn number(value: &Value, kind: &str) -> Option<Json> {
    match &value.kind {
        ValueKind::I64(n) => Some(Json::from(*n)),
        ValueKind::U64(n) => Some(Json::from(*n)),
        ValueKind::Float(n) if kind == "number" => serde_json::Number::from_f64(*n).map(Json::from),
        ValueKind::String(text) if from_environment(value) => {
            let text = text.trim();
            let whole = text.parse::<i64>().ok().map(Json::from);
            let fraction = || {
                let n: f64 = text.parse().ok()?;
                serde_json::Number::from_f64(n).map(Json::from)
            };
            whole.or_else(|| if kind == "number" { fraction() } else { None })
        }
        _ => None,
    }
}

fn boolean(value: &Value) -> Option<Json> {
    match &value.kind {
        ValueKind::Boolean(yes) => Some(Json::Bool(*yes)),
        ValueKind::String(text) if from_environment(value) => {
            text.trim().parse().ok().map(Json::Bool)
        }
        _ => None,
    }
}

fn text(value: &Value) -> Option<Json> {
    match &value.kind {
        ValueKind::String(text) => Some(Json::from(text.as_str())),
        _ => None,
    }
}

/// Whether a value of the right type keeps to its range or list of words.
fn allowed(value: &Json, schema: &Json) -> bool {
    match value {
        Json::Number(number) => number.as_f64().is_some_and(|value| {
            schema["minimum"].as_f64().is_none_or(|min| value >= min)
                && schema["maximum"].as_f64().is_none_or(|max| value <= max)
        }),
        Json::String(text) => {
            let words = words(schema);
            (words.is_empty() || words.contains(&text.as_str()))
                && (schema["minLength"].is_null() || !text.is_empty())
        }
        _ => true,
    }
}

/// Stands in for a text that is missing or wrong, which has been reported, so that the relations
/// between the other settings can be checked in the same run.
fn stand_in(schema: &Json) -> Option<Json> {
    let is_text = kind_of(schema) == "string" && words(schema).is_empty();
    is_text.then(|| Json::from(""))
}

/// The words of an enum.
fn words(schema: &Json) -> Vec<&str> {
    let listed = schema["enum"].as_array().into_iter().flatten();
    let described = schema["oneOf"].as_array().into_iter().flatten();
    let described = described.map(|one| &one["const"]);
    listed.chain(described).filter_map(Json::as_str).collect()
}

/// What a value of this schema looks like, in words.
fn wanted(key: &str, schema: &Json) -> String {
    let kind = match kind_of(schema) {
        "integer" => "an integer",
        "number" => "a number",
        "boolean" => return "true or false".to_owned(),
        "array" => return "a list".to_owned(),
        "object" => return "a section".to_owned(),
        _ => {
            let words = words(schema);
            if words.is_empty() {
                let some = schema["minLength"].is_null();
                return if some { "a string in quotes" } else { "a string in quotes, not empty" }
                    .to_owned();
            }
            return format!("one of \"{}\"", words.join("\", \""));
        }
    };
    let unit = if key.ends_with("_ms") { " milliseconds" } else { "" };
    match (&schema["minimum"], &schema["maximum"]) {
        (Json::Number(min), Json::Number(max)) => {
            format!("{kind} from {} to {}{unit}", whole(min), whole(max))
        }
        _ => kind.to_owned(),
    }
}

/// A bound without its `.0`.
fn whole(bound: &serde_json::Number) -> String {
    let text = bound.to_string();
    text.strip_suffix(".0").map_or(text.clone(), str::to_owned)
}

/// What was given, in words; passwords masked.
fn got(value: &Value) -> String {
    match &value.kind {
        ValueKind::Nil => "nothing".to_owned(),
        ValueKind::Table(_) => "a section".to_owned(),
        ValueKind::Array(_) => "a list".to_owned(),
        ValueKind::String(text) => {
            let shown: String = masked(text).chars().take(60).collect();
            format!("{shown:?}")
        }
        ValueKind::Float(number) => format!("{number:?}"),
        scalar => scalar.to_string(),
    }
}
