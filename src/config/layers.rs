//! The layers: defaults, file, environment; later wins. The result is one tree of values that each
//! know where they came from.

use config::{
    Config, ConfigError as LibraryError, File, FileFormat, Map, Source, Value, ValueKind,
};

use super::environment::Environment;

/// The first layer, compiled in.
pub(super) const DEFAULTS: &str = include_str!("../../config/default.toml");

/// Where a default comes from, as [`Value::origin`] has it.
pub(super) const ORIGIN_DEFAULT: &str = "(default)";

/// One layer, every value of it labelled with its origin.
#[derive(Debug, Clone)]
struct Layer(Map<String, Value>);

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, LibraryError> {
        Ok(self.0.clone())
    }
}

/// Puts the layers over each other.
///
/// # Errors
/// The TOML of `file` (its name and its text) is not TOML, with the position.
pub(super) fn merged(
    file: Option<(&str, &str)>,
    environment: &Environment,
) -> Result<Value, LibraryError> {
    let mut builder = Config::builder().add_source(toml(ORIGIN_DEFAULT, DEFAULTS)?);
    if let Some((name, text)) = file {
        builder = builder.add_source(toml(name, text)?);
    }
    let mut tree = builder.build_cloned()?.cache;
    for (variable, parts, value) in environment.settings() {
        set(&mut tree, variable, &parts, value);
    }
    Ok(tree)
}

fn toml(origin: &str, text: &str) -> Result<Layer, LibraryError> {
    let values = File::from_str(text, FileFormat::Toml).collect()?;
    let origin = origin.to_owned();
    Ok(Layer(values.into_iter().map(|(name, value)| (name, labelled(&origin, value))).collect()))
}

fn labelled(origin: &String, mut value: Value) -> Value {
    let label = |value: &mut Value| *value = labelled(origin, std::mem::take(value));
    if let ValueKind::Table(table) = &mut value.kind {
        table.values_mut().for_each(label);
    } else if let ValueKind::Array(items) = &mut value.kind {
        items.iter_mut().for_each(label);
    }
    Value::new(Some(origin), value.kind)
}

/// Sets one value from the environment.
///
/// A name of the tree is found without regard to case, and `_` in the variable also finds `-`,
/// which most shells refuse in a variable's name: `REFUNDD__ACCOUNTS__SHOP_CA__CURRENCY` sets
/// `accounts.shop-ca.currency` if there is such an account.
fn set(tree: &mut Value, variable: &str, parts: &[String], value: &str) {
    let origin = variable.to_owned();
    let Some((part, rest)) = parts.split_first() else {
        *tree = Value::new(Some(&origin), value);
        return;
    };
    if !matches!(tree.kind, ValueKind::Table(_)) {
        *tree = Value::new(Some(&origin), ValueKind::Table(Map::new()));
    }
    if let ValueKind::Table(table) = &mut tree.kind {
        let name = spelt(table, part);
        let inner = table.entry(name).or_insert_with(|| Value::new(Some(&origin), ValueKind::Nil));
        set(inner, variable, rest, value);
    }
}

/// The name in the table that `part` means, or `part` itself.
fn spelt(table: &Map<String, Value>, part: &str) -> String {
    let found =
        |wanted: &dyn Fn(&str) -> bool| table.keys().filter(|name| wanted(name)).min().cloned();
    found(&|name| name == part)
        .or_else(|| found(&|name| name.eq_ignore_ascii_case(part)))
        .or_else(|| found(&|name| name.replace('-', "_").eq_ignore_ascii_case(part)))
        .unwrap_or_else(|| part.to_owned())
}
