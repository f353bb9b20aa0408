//! Conformance suite, validator toolkit and reference interpreter of the Open-Action Protocol 2.0.
//!
//! `spec/` is the foundation; three rooms stand on it, each a cargo feature that builds without the others:
//!
//! - **validator** ([`manifest`], [`expression`], [`lint`], [`compat`]): documents and the language in them,
//! - **runtime** ([`runtime`], [`workflow`], [`store`], [`model`]): the reference interpreter, and under it [`sandbox`], a room that
//!   runs strangers' code and knows none of the others,
//! - **suite** ([`suite`]): the judge, which reads the wire as raw JSON and never imports the other two; on it stand `fuzz` and `bench`.
//!
//! [`json`], [`document`], [`schema`], [`diagnostic`], [`requirement`] and [`embedded`] are the vocabulary that all rooms share.

pub mod diagnostic;
#[cfg(any(feature = "suite", feature = "validator"))]
pub mod document;
pub mod embedded;
pub mod json;
pub mod requirement;
pub mod schema;

#[cfg(feature = "validator")]
pub mod compat;
#[cfg(feature = "validator")]
pub mod expression;
#[cfg(feature = "validator")]
pub mod lint;
#[cfg(feature = "validator")]
pub mod lsp;
#[cfg(feature = "validator")]
pub mod manifest;

#[cfg(feature = "sandbox")]
pub mod sandbox;

#[cfg(feature = "runtime")]
pub mod model;
#[cfg(feature = "runtime")]
pub mod runtime;
#[cfg(feature = "runtime")]
pub mod store;
#[cfg(feature = "runtime")]
pub mod workflow;

#[cfg(feature = "suite")]
pub mod suite;

#[cfg(feature = "bench")]
pub mod bench;
#[cfg(feature = "fuzz")]
pub mod fuzz;

/// The proof of the properties of `fuzz`.
#[cfg(all(feature = "fuzz", feature = "selftest"))]
#[path = "../conformance/fuzzing.rs"]
pub mod fuzzing;
/// Deliberately broken targets.
#[cfg(feature = "selftest")]
#[path = "../conformance/mutants/mod.rs"]
pub mod mutants;
/// A second evaluator of expressions, and wrong ones.
#[cfg(feature = "selftest")]
#[path = "../conformance/naive/mod.rs"]
pub mod naive;
/// Targets that implement nothing.
#[cfg(feature = "selftest")]
#[path = "../conformance/null_targets/mod.rs"]
pub mod null_targets;
#[cfg(feature = "selftest")]
#[path = "../conformance/selftest.rs"]
pub mod selftest;

#[cfg(feature = "cli")]
pub mod cli;
