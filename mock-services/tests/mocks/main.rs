//! The mocks as their callers see them: over HTTP on loopback.
#![allow(clippy::unwrap_used)]

mod caller;
mod control;
mod faults;
mod lifecycle;
mod model;
mod objects;
mod scale;
mod scripts;
mod services;
mod wires;
