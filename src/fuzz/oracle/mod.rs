//! A small executable model of the protocol, written from the prose of `spec/` alone: it follows what a client did, looks up what the
//! scripted model and services really answered, and says what the runtime was allowed to answer and to do.
//!
//! ```text
//! exchanges + journal → walk (one after another; of calls at the same time every order) → Surprise
//! ```
//!
//! It is a twin of the session machine on purpose and knows nothing of it. Where the spec leaves a choice, or something happens that it
//! does not know (code, files, fallbacks, workflows), it takes what was observed and goes on, or says no more of that session.

mod agreement;
mod body;
mod calls;
mod closing;
mod journal;
mod opening;
mod people;
mod plan;
mod prompts;
mod request;
mod running;
mod said;
mod session;
mod stepping;
mod surprise;
mod table;
mod walk;

#[cfg(test)]
pub(super) use journal::sample_call;
pub use surprise::Surprise;
pub use walk::follow;
