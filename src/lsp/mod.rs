//! A language server: what `lint` finds, told while somebody writes.
//!
//! [`Server`] turns one message into the messages that answer it and touches nothing else; [`serve`] feeds it from a stream. What
//! an editor shows comes from where the command line takes it: findings and their changes from [`lint`](crate::lint), descriptions
//! of members from `spec/schemas/`, clauses from `spec/requirements/`.

mod clauses;
mod completion;
mod context;
mod findings;
mod flow;
mod hover;
mod members;
mod position;
mod recovered;
mod server;
#[cfg(test)]
mod tests;
pub mod wire;

use std::io::{self, BufRead, Write};

pub use server::{Loader, Server};

/// Answers messages until the client says `exit`, or goes.
///
/// Answers the exit code that the protocol wants: 0 after a `shutdown`, 1 without.
///
/// # Errors
/// What reading or writing fails with, and [`io::ErrorKind::InvalidData`] for a stream that is none of the protocol.
pub fn serve(
    mut server: Server,
    input: &mut impl BufRead,
    output: &mut impl Write,
) -> io::Result<u8> {
    loop {
        let message = match wire::read(input) {
            Ok(Some(message)) => message,
            Ok(None) => return Ok(1),
            // Where the next message begins is known all the same.
            Err(error) if error.kind() == io::ErrorKind::InvalidInput => {
                wire::write(output, &server::unreadable(&error.to_string(), false))?;
                continue;
            }
            Err(error) if error.kind() == io::ErrorKind::InvalidData => {
                wire::write(output, &server::unreadable(&error.to_string(), true))?;
                return Err(error);
            }
            Err(error) => return Err(error),
        };
        for answer in server.handle(&message) {
            wire::write(output, &answer)?;
        }
        if let Some(code) = server.exited() {
            return Ok(code);
        }
    }
}
