//! JSON Schema of request and result, generated from the types, for `refundd schema` and for the
//! files under `docs/schemas/`. A test fails when a file is stale.

use schemars::transform::{RecursiveTransform, Transform};
use schemars::{Schema, SchemaGenerator, json_schema, schema_for};
use serde_json::Value;

use super::{RequestV1, ResultV1};

/// The schema of a request, pretty JSON with a newline at its end.
pub fn request() -> String {
    pretty(&schema_for!(RequestV1))
}

/// The schema of a result, pretty JSON with a newline at its end.
pub fn result() -> String {
    let mut schema = schema_for!(ResultV1);
    RecursiveTransform(without_null).transform(&mut schema);
    pretty(&schema)
}

/// A result leaves out what is absent, so no field of it may be null.
fn without_null(schema: &mut Schema) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|one| one != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    if let Some(Value::Array(choices)) = schema.get_mut("anyOf") {
        choices.retain(|choice| choice.get("type").is_none_or(|kind| kind != "null"));
        if let [only] = choices.as_slice() {
            let only = only.get("$ref").cloned();
            if let Some(reference) = only {
                schema.remove("anyOf");
                schema.insert("$ref".to_owned(), reference);
            }
        }
    }
}

/// The schema of a version field: the number 1.
pub(super) fn one(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer", "const": 1 })
}

fn pretty(schema: &Schema) -> String {
    // Cannot fail: a schema is JSON already.
    let mut text = serde_json::to_string_pretty(schema).unwrap_or_default();
    text.push('\n');
    text
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::parse::{FIELDS, ORDER_FIELDS};
    use crate::generated;

    fn properties(schema: &serde_json::Value) -> Vec<&str> {
        let object = schema["properties"].as_object().unwrap();
        object.keys().map(String::as_str).collect()
    }

    #[test]
    fn the_schema_files_are_fresh() {
        generated::check("docs/schemas/refund-request-v1.json", &request());
        generated::check("docs/schemas/refund-result-v1.json", &result());
    }

    #[test]
    fn the_parser_knows_exactly_the_fields_of_the_schema() {
        let schema: serde_json::Value = serde_json::from_str(&request()).unwrap();
        assert_eq!(properties(&schema), FIELDS);
        assert_eq!(properties(&schema["$defs"]["OrderV1"]), ORDER_FIELDS);
        assert_eq!(schema["additionalProperties"], false);
        let required: Vec<_> = schema["required"].as_array().unwrap().clone();
        assert_eq!(required, FIELDS[..6]);
    }

    #[test]
    fn no_field_of_a_result_may_be_null() {
        assert!(!result().contains("null"));
    }
}
