//! Failures that are known and accepted: a file that says which and why.
//!
//! ```toml
//! [[known]]
//! property = "a-retry-acts-once"
//! requirement = "IDM-005"      # absent: every requirement of the property
//! reason = "the store of answers is not shared between replicas yet"
//! ```

use serde::Deserialize;

use super::property;

/// Longest file that is read, in bytes.
pub const MOST_BYTES: usize = 1 << 20;

/// The failures that are known.
#[derive(Debug, Clone, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Known {
    #[serde(default)]
    known: Vec<Entry>,
}

#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    property: String,
    #[serde(default)]
    requirement: Option<String>,
    reason: String,
}

impl Known {
    /// Reads such a file.
    ///
    /// # Errors
    /// When it is not of this form, names a property that there is not, or gives no reason.
    pub fn parse(text: &str) -> Result<Self, String> {
        if text.len() > MOST_BYTES {
            return Err(format!("it has more than {MOST_BYTES} bytes; shorten it"));
        }
        let known: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        for entry in &known.known {
            let name = &entry.property;
            if !property::all().iter().any(|property| property.id == name) {
                return Err(format!(
                    "there is no property '{name}'; 'oap-conform fuzz --list' shows them"
                ));
            }
            if entry.reason.trim().is_empty() {
                return Err(format!("say for '{name}' why its failure is accepted"));
            }
        }
        Ok(known)
    }

    /// Why a failure is accepted, if it is.
    pub fn reason(&self, property: &str, requirement: &str) -> Option<&str> {
        self.known
            .iter()
            .find(|entry| {
                entry.property == property
                    && entry
                        .requirement
                        .as_ref()
                        .is_none_or(|own| own == requirement)
            })
            .map(|entry| entry.reason.as_str())
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.known.len()
    }

    /// Whether nothing is known.
    pub fn is_empty(&self) -> bool {
        self.known.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_is_known_by_property_and_requirement() {
        let first = property::all()[0].id;
        let text = format!(
            "[[known]]\nproperty = \"{first}\"\nrequirement = \"PLN-014\"\nreason = \"later\"\n"
        );
        let known = Known::parse(&text).expect("reads");
        assert_eq!(known.reason(first, "PLN-014"), Some("later"));
        assert_eq!(known.reason(first, "PLN-001"), None);
        assert_eq!(known.reason("other", "PLN-014"), None);
        let whole = Known::parse(&format!(
            "[[known]]\nproperty = \"{first}\"\nreason = \"later\"\n"
        ))
        .expect("reads");
        assert_eq!(whole.reason(first, "PLN-001"), Some("later"));
        assert_eq!((whole.len(), Known::default().is_empty()), (1, true));
    }

    #[test]
    fn what_says_nothing_is_refused() {
        let first = property::all()[0].id;
        for text in [
            "[[known]]\nproperty = \"there-is-none\"\nreason = \"x\"\n".to_owned(),
            format!("[[known]]\nproperty = \"{first}\"\nreason = \" \"\n"),
            format!("[[known]]\nproperty = \"{first}\"\n"),
            format!("[[known]]\nproperty = \"{first}\"\nreason = \"x\"\nseed = 1\n"),
        ] {
            assert!(Known::parse(&text).is_err(), "{text}");
        }
    }
}
