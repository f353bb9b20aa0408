//! One function for each fuzz target: it takes any bytes, gives them to a public door, and panics where an answer contradicts itself.

#[cfg(feature = "validator")]
pub mod documents;
#[cfg(feature = "validator")]
pub mod language;
#[cfg(feature = "runtime")]
pub mod model;
#[cfg(feature = "suite")]
pub mod records;
#[cfg(feature = "sandbox")]
pub mod sandbox;
pub mod seeds;
#[cfg(feature = "runtime")]
pub mod server;

/// A fuzz target: its name and what it does with an input.
pub type Target = (&'static str, fn(&[u8]));

/// Every target that this build has.
pub const TARGETS: &[Target] = &[
    #[cfg(feature = "validator")]
    ("json", documents::json),
    #[cfg(feature = "validator")]
    ("yaml", documents::yaml),
    #[cfg(feature = "validator")]
    ("manifest", documents::manifest),
    #[cfg(feature = "validator")]
    ("lint", documents::lint),
    #[cfg(feature = "validator")]
    ("lsp", documents::lsp),
    #[cfg(feature = "validator")]
    ("expression", language::expression),
    #[cfg(feature = "validator")]
    ("template", language::template),
    #[cfg(feature = "suite")]
    ("case", records::case),
    #[cfg(feature = "suite")]
    ("transcript", records::transcript),
    #[cfg(feature = "suite")]
    ("definition", records::definition),
    #[cfg(feature = "suite")]
    ("baseline", records::baseline),
    #[cfg(feature = "suite")]
    ("stdio", records::stdio),
    #[cfg(feature = "sandbox")]
    ("module", sandbox::module),
    #[cfg(feature = "runtime")]
    ("reply", model::reply),
    #[cfg(feature = "runtime")]
    ("stream", model::stream),
    #[cfg(feature = "runtime")]
    ("http", server::http),
    #[cfg(feature = "runtime")]
    ("wire", server::wire),
];

/// The text before the first line feed, and what follows it.
#[cfg(feature = "validator")]
fn first_line(text: &str) -> (&str, &str) {
    text.split_once('\n').unwrap_or((text, ""))
}
