//! Variables of a manifest and where their values come from (`spec/secrets.md`).

use std::collections::BTreeMap;

use super::error::{Code, ErrorObject};
use super::redact::SHORTEST_SECRET;
use crate::manifest::{Piece, Text};

/// The values that `${VAR}` may take; never shown by `Debug`.
#[derive(Clone, Default)]
pub struct Credentials {
    secrets: BTreeMap<String, String>,
    variables: BTreeMap<String, String>,
    bound: BTreeMap<String, Vec<String>>,
}

impl std::fmt::Debug for Credentials {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Credentials")
            .field("secrets", &self.secrets.keys())
            .field("variables", &self.variables.keys())
            .finish()
    }
}

/// Where a variable stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Place {
    /// In the endpoint: the non-secret configuration only, since URLs are shown and recorded.
    Endpoint,
    /// In `auth` or another header: a secret, else the non-secret configuration.
    Header,
}

impl Credentials {
    /// The granted secrets, and the non-secret configuration; `never` is the model's key.
    ///
    /// A secret too short to be recognised when it comes back is not granted: it could not be kept from leaving.
    /// The model's key is granted under no name, wherever the operator may have put it.
    pub fn new(
        secrets: BTreeMap<String, String>,
        variables: BTreeMap<String, String>,
        never: &str,
    ) -> Self {
        let granted = |value: &String| never.is_empty() || value != never;
        let long_enough = |value: &String| value.chars().count() >= SHORTEST_SECRET;
        Self {
            secrets: secrets
                .into_iter()
                .filter(|(_, value)| granted(value) && long_enough(value))
                .collect(),
            variables: variables
                .into_iter()
                .filter(|(_, value)| granted(value))
                .collect(),
            bound: BTreeMap::new(),
        }
    }

    /// The same, with the hosts that the operator has bound secrets to, by the secret's name.
    #[must_use]
    pub fn bind(mut self, bound: BTreeMap<String, Vec<String>>) -> Self {
        self.bound = bound;
        self
    }

    /// The hosts that a secret may be sent to; `None` when it is bound to none in particular.
    pub fn bound_hosts(&self, name: &str) -> Option<&[String]> {
        self.bound.get(name).map(Vec::as_slice)
    }

    /// The secret of this name.
    pub fn secret(&self, name: &str) -> Option<&str> {
        self.secrets.get(name).map(String::as_str)
    }

    /// The non-secret value of this name.
    pub fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str)
    }

    /// All secrets with their names.
    pub fn secrets(&self) -> impl Iterator<Item = (&str, &str)> {
        let secrets = self.secrets.iter();
        secrets.map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// The same with other values of these secrets; the caller has seen to it that they may be granted.
    #[must_use]
    pub fn with_secrets(&self, values: impl IntoIterator<Item = (String, String)>) -> Self {
        let mut next = self.clone();
        next.secrets.extend(values);
        next
    }
}

/// The value of one variable.
///
/// # Errors
/// `missing_credential` when there is none for this place.
pub fn resolve_variable(
    credentials: &Credentials,
    name: &str,
    place: Place,
) -> Result<String, ErrorObject> {
    let value = match place {
        Place::Endpoint => credentials.variable(name),
        Place::Header => credentials
            .secret(name)
            .or_else(|| credentials.variable(name)),
    };
    value.map(str::to_owned).ok_or_else(|| {
        ErrorObject::new(
            Code::MissingCredential,
            format!("${{{name}}} is not set for this runtime, so nothing was sent"),
        )
        .with("variable", name)
    })
}

/// Refuses a value that would end a line of the request.
///
/// # Errors
/// `invalid_credential` for CR, LF, NUL or any other control character but the tab.
pub fn check_value(name: &str, value: &str) -> Result<(), ErrorObject> {
    if value.chars().any(|c| c.is_control() && c != '\t') {
        return Err(ErrorObject::new(
            Code::InvalidCredential,
            format!("the value of ${{{name}}} holds a line break or control character, so nothing was sent"),
        )
        .with("variable", name));
    }
    Ok(())
}

/// Refuses a value that would make another place of the endpoint that it stands in: between scheme and query a variable is a part of
/// the host or of one segment of the path (transcripts.md 6.2). At the begin it can stand for the whole origin, as plugins have it.
///
/// # Errors
/// `invalid_credential` for `/`, `\`, `?` and `#` between scheme and query.
pub fn check_part(name: &str, value: &str, before: &str) -> Result<(), ErrorObject> {
    let is_part = before.contains("://") && !before.contains('?');
    if is_part && value.contains(['/', '\\', '?', '#']) {
        return Err(ErrorObject::new(
            Code::InvalidCredential,
            format!("the value of ${{{name}}} is more than a part of a host or of a path's segment, so nothing was sent"),
        )
        .with("variable", name));
    }
    Ok(())
}

/// The text with `value` in place of each variable; it is given the name, and what stands before it.
///
/// # Errors
/// The first that `value` gives.
pub fn fill(
    text: &Text,
    mut value: impl FnMut(&str, &str) -> Result<String, ErrorObject>,
) -> Result<String, ErrorObject> {
    text.pieces()
        .iter()
        .try_fold(String::new(), |mut filled, piece| {
            match piece {
                Piece::Literal(literal) => filled.push_str(literal),
                Piece::Variable(name) => {
                    let value = value(name, &filled)?;
                    filled.push_str(&value);
                }
            }
            Ok(filled)
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn credentials() -> Credentials {
        let map = |pairs: &[(&str, &str)]| {
            pairs
                .iter()
                .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
                .collect()
        };
        Credentials::new(
            map(&[
                ("TOKEN", "long-enough"),
                ("SHORT", "short"),
                ("KEY", "the-model-key"),
                ("REGION", "secret-region"),
            ]),
            map(&[("REGION", "eu"), ("OTHER", "the-model-key")]),
            "the-model-key",
        )
    }

    fn resolved(name: &str, place: Place) -> Result<String, Code> {
        resolve_variable(&credentials(), name, place).map_err(|error| error.code)
    }

    #[test]
    fn secrets_never_reach_an_endpoint() {
        assert_eq!(
            resolved("TOKEN", Place::Header),
            Ok("long-enough".to_owned())
        );
        assert_eq!(
            resolved("TOKEN", Place::Endpoint),
            Err(Code::MissingCredential)
        );
        assert_eq!(resolved("REGION", Place::Endpoint), Ok("eu".to_owned()));
        assert_eq!(
            resolved("REGION", Place::Header),
            Ok("secret-region".to_owned())
        );
    }

    #[test]
    fn unset_and_unrecognisable_secrets_are_missing() {
        assert_eq!(
            resolved("NOT_SET", Place::Header),
            Err(Code::MissingCredential)
        );
        for name in ["SHORT", "KEY", "OTHER"] {
            assert_eq!(resolved(name, Place::Header), Err(Code::MissingCredential));
        }
    }

    #[test]
    fn a_variable_makes_no_other_place_of_an_endpoint() {
        for part in ["eu", "a-1.b:8443", "", "%2F"] {
            assert!(check_part("A", part, "https://api.example.com/").is_ok());
        }
        for more in ["eu/../admin", "a?b=1", "a#b", "a\\b"] {
            let refused = check_part("A", more, "https://api.example.com/");
            assert_eq!(refused.map_err(|e| e.code), Err(Code::InvalidCredential));
            assert!(check_part("A", more, "https://api.example.com/?q=").is_ok());
        }
        assert!(check_part("A", "http://127.0.0.1:8080", "").is_ok());
    }

    #[test]
    fn line_breaks_are_refused_and_debug_shows_no_value() {
        assert!(check_value("A", "plain value").is_ok());
        for bad in ["a\r\nX: y", "a\nb", "a\0"] {
            assert_eq!(
                check_value("A", bad).map_err(|e| e.code),
                Err(Code::InvalidCredential)
            );
        }
        assert!(!format!("{:?}", credentials()).contains("long-enough"));
    }
}
