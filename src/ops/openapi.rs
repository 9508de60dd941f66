//! The table of operations as an OpenAPI 3.1 document. The schemas come from the types, by the same
//! generator as `docs/schemas/`; OpenAPI 3.1 takes JSON Schema as it is.

use axum::body::Body;
use axum::http::{HeaderValue, header};
use axum::response::{IntoResponse, Response};
use schemars::generate::SchemaSettings;
use schemars::{Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::auth::Role;
use super::problem::Problem;
use super::routes::{Access, Content, OPERATIONS, Operation};

/// `GET /openapi.json`.
pub(super) async fn document() -> Response {
    let mut response = Body::from(text()).into_response();
    let kind = HeaderValue::from_static("application/json");
    response.headers_mut().insert(header::CONTENT_TYPE, kind);
    response
}

/// The document, pretty JSON with a newline at its end.
pub fn text() -> String {
    let settings = SchemaSettings::draft2020_12()
        .with(|settings| settings.definitions_path = "/components/schemas".into());
    let mut generator = settings.into_generator();
    let problem = generator.subschema_for::<Problem>();
    let mut paths = Map::new();
    for operation in OPERATIONS {
        let path = paths.entry(operation.path).or_insert_with(|| json!({}));
        path[operation.method.to_ascii_lowercase()] = describe(operation, &problem, &mut generator);
    }
    let document = json!({
        "openapi": "3.1.0",
        "info": {
            "title": "refundd",
            "version": env!("CARGO_PKG_VERSION"),
            "description": "Refunds in, results and people's actions. Errors are problem documents \
                            (RFC 9457) that name the field and the rule. Roles: read < enqueue < operate.",
            "license": {"name": "MIT", "identifier": "MIT"},
        },
        "servers": [{"url": "/"}],
        "paths": paths,
        "components": {
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
            "schemas": generator.take_definitions(true),
        },
    });
    // Cannot fail: it is JSON already.
    let mut text = serde_json::to_string_pretty(&document).unwrap_or_default();
    text.push('\n');
    text
}

fn describe(operation: &Operation, problem: &Schema, generator: &mut SchemaGenerator) -> Value {
    let mut about = json!({
        "operationId": operation.id,
        "summary": operation.summary,
        "responses": responses(operation, problem, generator),
    });
    let parameters = parameters(operation, generator);
    if !parameters.is_empty() {
        about["parameters"] = Value::Array(parameters);
    }
    if let Some(content) = content(operation.takes, generator) {
        about["requestBody"] = json!({"required": true, "content": content});
    }
    if let Access::Role(role) = operation.access {
        about["security"] = json!([{"token": []}]);
        about["x-role"] = json!(role.as_str());
    } else {
        about["security"] = json!([]);
    }
    about
}

fn responses(operation: &Operation, problem: &Schema, generator: &mut SchemaGenerator) -> Value {
    let mut responses = Map::new();
    for (status, what, answer) in operation.answers {
        let mut response = json!({"description": what});
        if let Some(content) = content(*answer, generator) {
            response["content"] = content;
        }
        responses.insert(status.to_string(), response);
    }
    let gate: &[u16] = match operation.access {
        Access::Role(Role::Read | Role::Enqueue | Role::Operate) => &[401, 403],
        Access::Open | Access::Signed => &[],
    };
    for status in operation.problems.iter().chain(gate) {
        responses.insert(
            status.to_string(),
            json!({
                "description": meaning(*status),
                "content": {"application/problem+json": {"schema": problem}},
            }),
        );
    }
    Value::Object(responses)
}

fn meaning(status: u16) -> &'static str {
    match status {
        400 => "It cannot be read",
        401 => "No valid token, or no valid signature",
        403 => "The role does not allow it, or it comes from where it must not",
        404 => "There is no such thing",
        408 => "The body did not arrive in time",
        409 => "It is not what it was, or is known otherwise; look again first",
        413 => "The body is too large",
        415 => "The body is not JSON",
        422 => "A field breaks a rule, or the action makes no sense here",
        503 => "The ledger is away; try again after Retry-After",
        _ => "A problem",
    }
}

fn content(content: Content, generator: &mut SchemaGenerator) -> Option<Value> {
    match content {
        Content::Nothing => None,
        Content::Json(of) => Some(json!({"application/json": {"schema": of(generator)}})),
        Content::Other(kind) => Some(json!({kind: {}})),
    }
}

/// What a name in the path is made of, as in `docs/schemas/refund-request-v1.json`.
fn legal(name: &str) -> &'static str {
    match name {
        "refund_no" => "^[A-Za-z0-9_-]{1,30}$",
        "account" => "^[a-z0-9_-]{1,64}$",
        _ => ".",
    }
}

/// What stands in braces in the path, and the fields of the query's type.
fn parameters(operation: &Operation, generator: &mut SchemaGenerator) -> Vec<Value> {
    let mut all: Vec<Value> = operation
        .path
        .split('/')
        .filter_map(|part| part.strip_prefix('{')?.strip_suffix('}'))
        .map(|name| {
            let schema = json!({"type": "string", "pattern": legal(name)});
            json!({"name": name, "in": "path", "required": true, "schema": schema})
        })
        .collect();
    let Some(query) = operation.query else { return all };
    let reference = query(generator);
    let name =
        reference.get("$ref").and_then(Value::as_str).and_then(|path| path.rsplit('/').next());
    // A query is no component: its fields stand in the operation.
    let schema = name.and_then(|name| generator.definitions_mut().remove(name));
    let fields = schema.as_ref().and_then(|schema| schema.get("properties")?.as_object());
    for (name, field) in fields.into_iter().flatten() {
        let mut field = field.clone();
        let about = field.as_object_mut().and_then(|field| field.remove("description"));
        all.push(json!({"name": name, "in": "query", "description": about, "schema": field}));
    }
    all
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::generated;

    #[test]
    fn the_openapi_file_is_fresh() {
        generated::check("docs/openapi.json", &text());
    }

    #[test]
    fn every_reference_of_the_document_leads_somewhere() {
        let document: Value = serde_json::from_str(&text()).unwrap();
        let mut found = 0;
        let text = text();
        for reference in text.split("\"$ref\": \"#").skip(1) {
            let pointer = reference.split('"').next().unwrap();
            assert!(document.pointer(pointer).is_some(), "{pointer}");
            found += 1;
        }
        assert!(found > 10, "{found}");
    }
}
