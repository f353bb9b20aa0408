//! Commands over documents of authors and auditors, none of which needs a runtime: one file a command.

pub(super) mod bundle;
pub(super) mod compat;
pub(super) mod compile;
pub(super) mod convert;
pub(super) mod fmt;
pub(super) mod generate;
mod given;
pub(super) mod lint;
pub(super) mod lsp;
pub(super) mod schema;
pub(super) mod validate;
pub(super) mod verify;
pub(super) mod written;
