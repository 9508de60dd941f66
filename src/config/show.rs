//! The effective configuration as TOML. Built from the serialised settings, in which secrets mask
//! themselves; TOML is written by hand because each value carries a comment that says where it came
//! from, which no serialiser writes.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde_json::Value;

use super::Settings;

/// The settings as TOML.
pub(super) fn toml(settings: &Settings, origins: &BTreeMap<String, String>) -> String {
    let mut out = String::new();
    if let Ok(Value::Object(root)) = serde_json::to_value(settings) {
        section(&mut out, &[], &root, origins);
    }
    out
}

fn section(
    out: &mut String,
    path: &[&str],
    values: &serde_json::Map<String, Value>,
    origins: &BTreeMap<String, String>,
) {
    let is_table = |value: &Value| value.is_object();
    let has_values = values.values().any(|value| !is_table(value));
    if !path.is_empty() && has_values {
        let blank = if out.is_empty() { "" } else { "\n" };
        let names: Vec<String> = path.iter().map(|name| bare_or_quoted(name)).collect();
        // Writing to a String cannot fail.
        let _ = writeln!(out, "{blank}[{}]", names.join("."));
    }
    for (name, value) in values.iter().filter(|(_, value)| !is_table(value)) {
        let full = [path, &[name.as_str()]].concat().join(".");
        let origin = origins.get(&full).map(|origin| format!("  # {}", one_line(origin)));
        let origin = origin.unwrap_or_default();
        let _ = writeln!(out, "{} = {}{origin}", bare_or_quoted(name), scalar(value));
    }
    for (name, value) in values {
        if let Value::Object(inner) = value {
            section(out, &[path, &[name.as_str()]].concat(), inner, origins);
        }
    }
}

fn bare_or_quoted(name: &str) -> String {
    let bare = |b: u8| b.is_ascii_alphanumeric() || b == b'_' || b == b'-';
    if !name.is_empty() && name.bytes().all(bare) { name.to_owned() } else { quoted(name) }
}

fn scalar(value: &Value) -> String {
    match value {
        Value::String(text) => quoted(text),
        Value::Array(items) => {
            let items: Vec<String> = items.iter().map(scalar).collect();
            format!("[{}]", items.join(", "))
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::Object(_) => value.to_string(),
    }
}

/// A JSON string is a TOML string, but for DEL.
fn quoted(text: &str) -> String {
    Value::from(text).to_string().replace('\u{7f}', "\\u007F")
}

fn one_line(text: &str) -> String {
    text.chars().filter(|c| !c.is_control()).collect()
}
