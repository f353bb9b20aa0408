//! Who calls, what they may do and how often (`spec/access.md`).

pub mod auth;
pub mod caller;
pub mod dial;
pub mod network;
pub mod parts;
pub mod rates;
pub mod refusal;
#[cfg(test)]
mod tests;
pub mod token;

pub use auth::{Auth, Key, Material, TableEntry};
pub use caller::Caller;
pub use network::Network;
pub use parts::AccessParts;
pub use rates::{RateKey, Rates, Uncharged, Window};
