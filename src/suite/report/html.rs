//! The report as one page that needs nothing else: no file beside it, no network, no script to be read.
//!
//! Its policy allows the page's own style and script by their digests and nothing besides, so that nothing of a target's could
//! run even if it were not escaped.

mod tables;
mod view;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use minijinja::syntax::SyntaxConfig;
use minijinja::value::Serde;
use minijinja::{Environment, context};
use sha2::{Digest, Sha256};

use crate::requirement::Registry;
use crate::suite::report::Report;

const TEMPLATE: &str = include_str!("html/report.html");
const STYLE: &str = include_str!("html/report.css");
const SCRIPT: &str = include_str!("html/report.js");

/// The report as HTML.
///
/// # Errors
/// When the template cannot be filled in: a fault of the suite.
pub fn render(report: &Report, registry: &Registry) -> Result<String, String> {
    let cannot = |error: minijinja::Error| format!("the report cannot be written as HTML: {error}");
    let mut environment = Environment::new();
    let syntax = SyntaxConfig::builder()
        .trim_blocks(true)
        .lstrip_blocks(true)
        .build()
        .map_err(cannot)?;
    environment.set_syntax(syntax);
    // By the ending of its name everything that is put in is escaped.
    environment
        .add_template("report.html", TEMPLATE)
        .map_err(cannot)?;
    let policy = format!(
        "default-src 'none'; style-src '{}'; script-src '{}'; base-uri 'none'; form-action 'none'",
        source(STYLE),
        source(SCRIPT)
    );
    let mut text = environment
        .get_template("report.html")
        .and_then(|template| {
            template.render(context! {
                page => Serde(view::page(report, registry)),
                policy => policy,
                css => STYLE,
                script => SCRIPT,
            })
        })
        .map_err(cannot)?;
    text.push('\n');
    Ok(text)
}

/// The digest by which a policy allows an element's text.
fn source(text: &str) -> String {
    format!(
        "sha256-{}",
        STANDARD.encode(Sha256::digest(text.as_bytes()))
    )
}
