//! `oap-conform schema`: the JSON Schema of a document or message, to give to an editor.

use clap::Args;
use serde_json::{Value, json};

use super::given::Shown;
use crate::cli::failure::Failure;
use crate::cli::harness;
use crate::cli::output::show;
use crate::schema::bundled;

const AFTER_HELP: &str = "\
The schema is self-contained: what it refers to stands under its $defs.

Examples:
  oap-conform schema
  oap-conform schema manifest > manifest.schema.json
  # yaml-language-server: $schema=manifest.schema.json    in the first line of a YAML manifest";

/// Options of `schema`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(in crate::cli) struct SchemaCommand {
    /// What the schema is of; absent: list all kinds
    #[arg(value_parser = known_kind)]
    kind: Option<String>,
    /// How kinds are listed; a schema is JSON in any case
    #[arg(long, value_enum, default_value = "text")]
    format: Shown,
}

impl SchemaCommand {
    /// Prints the schema, or the kinds.
    pub fn execute(self) -> Result<u8, Failure> {
        let text = match &self.kind {
            Some(kind) => {
                let schema = bundled::self_contained(kind).ok_or_else(|| unusable(kind))?;
                format!("{}\n", harness::pretty(&schema)?)
            }
            None => list(self.format)?,
        };
        show(&text);
        Ok(0)
    }
}

/// A line for each kind.
fn list(format: Shown) -> Result<String, Failure> {
    let mut kinds = Vec::new();
    for kind in bundled::names() {
        let schema = bundled::published(&kind).ok_or_else(|| unusable(&kind))?;
        let about = schema.get("description").and_then(Value::as_str);
        let about = about.unwrap_or_default();
        kinds.push((kind, first_sentence(about).to_owned()));
    }
    if format == Shown::Json {
        let kinds: Vec<Value> = kinds
            .iter()
            .map(|(kind, about)| json!({"kind": kind, "about": about}))
            .collect();
        return Ok(format!(
            "{}\n",
            harness::pretty(&json!({ "kinds": kinds }))?
        ));
    }
    let width = kinds.iter().map(|(kind, _)| kind.len()).max().unwrap_or(0);
    let lines = kinds.iter();
    Ok(lines
        .map(|(kind, about)| format!("{kind:width$}  {about}\n"))
        .collect())
}

/// The name of a schema, as an argument.
pub(super) fn known_kind(name: &str) -> Result<String, String> {
    let names = bundled::names();
    if names.iter().any(|known| known == name) {
        return Ok(name.to_owned());
    }
    let near: Vec<&str> = names
        .iter()
        .map(String::as_str)
        .filter(|known| !name.is_empty() && (known.contains(name) || name.contains(known)))
        .collect();
    Err(match near.as_slice() {
        [] => "there is no such kind; 'oap-conform schema' lists them".to_owned(),
        near => format!("there is no such kind; is it {}?", near.join(", ")),
    })
}

fn first_sentence(text: &str) -> &str {
    match text.split_once(". ") {
        Some((first, _)) => first,
        None => text.strip_suffix('.').unwrap_or(text),
    }
}

fn unusable(kind: &str) -> Failure {
    Failure::harness(format!("the schema of {kind} cannot be read"))
}
