//! The options of `serve` that say which model is asked, and in which format.

use std::collections::BTreeMap;
use std::time::Duration;

use clap::Args;

use crate::model::{ModelConfig, Wire};

/// The environment variables of a wire, and the model that is asked where none is named.
struct Names {
    url: &'static str,
    key: &'static str,
    model: &'static str,
    default_model: &'static str,
}

/// The variables that the makers' own tools read.
fn names(wire: Wire) -> Names {
    match wire {
        Wire::OpenAi => Names {
            url: "OPENAI_BASE_URL",
            key: "OPENAI_API_KEY",
            model: "OPENAI_MODEL",
            default_model: "gpt-4o-mini",
        },
        Wire::Anthropic => Names {
            url: "ANTHROPIC_BASE_URL",
            key: "ANTHROPIC_API_KEY",
            model: "ANTHROPIC_MODEL",
            default_model: "claude-3-5-haiku-latest",
        },
        Wire::Cohere => Names {
            url: "CO_API_URL",
            key: "CO_API_KEY",
            model: "CO_MODEL",
            default_model: "command-a-03-2025",
        },
    }
}

/// Whether a variable holds the key of a model, of whichever wire: those are never granted to manifests.
pub(super) fn is_key(name: &str) -> bool {
    Wire::ALL.into_iter().any(|wire| names(wire).key == name)
}

/// Which model, and how it is asked.
#[derive(Debug, Args)]
pub(super) struct ModelOptions {
    /// Format in which the model is asked: openai, anthropic or cohere
    #[arg(
        long,
        value_name = "WIRE",
        env = "OAP_MODEL_WIRE",
        default_value = "openai"
    )]
    model_wire: Wire,
    /// Base URL of the model [default: from OPENAI_BASE_URL, ANTHROPIC_BASE_URL or CO_API_URL, else the public one of the format]
    #[arg(long, value_name = "URL")]
    model_url: Option<String>,
    /// Name of the model [default: from OPENAI_MODEL, ANTHROPIC_MODEL or CO_MODEL, else gpt-4o-mini, claude-3-5-haiku-latest or command-a-03-2025]
    #[arg(long, value_name = "NAME")]
    model: Option<String>,
    /// Ask for replies as streams
    #[arg(long, env = "OAP_MODEL_STREAM", value_parser = clap::builder::BoolishValueParser::new(), num_args = 0..=1, require_equals = true, default_value = "false", default_missing_value = "true")]
    model_stream: bool,
    /// Longest wait for the model, in milliseconds
    #[arg(long, value_name = "MS", env = "OAP_MODEL_TIMEOUT_MS", default_value = "60000", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    model_timeout: u64,
}

impl ModelOptions {
    /// The configuration, with this environment.
    pub fn config(&self, environment: &BTreeMap<String, String>) -> ModelConfig {
        let names = names(self.model_wire);
        let set = |name: &str| {
            let value = environment.get(name).filter(|value| !value.is_empty());
            value.cloned()
        };
        let base_url = self.model_url.clone().or_else(|| set(names.url));
        let base_url = base_url.unwrap_or_else(|| self.model_wire.public_base_url().to_owned());
        ModelConfig {
            wire: self.model_wire,
            base_url: base_url.trim_end_matches('/').to_owned(),
            api_key: set(names.key).unwrap_or_default(),
            model: self
                .model
                .clone()
                .or_else(|| set(names.model))
                .unwrap_or_else(|| names.default_model.to_owned()),
            stream: self.model_stream,
            timeout: Duration::from_millis(self.model_timeout),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn config(arguments: &[&str], environment: &[(&str, &str)]) -> ModelConfig {
        use clap::FromArgMatches as _;
        let command = ModelOptions::augment_args(clap::Command::new("serve"));
        let matches = command
            .try_get_matches_from(std::iter::once(&"serve").chain(arguments))
            .expect("arguments");
        let environment = environment
            .iter()
            .map(|(name, value)| ((*name).to_owned(), (*value).to_owned()))
            .collect();
        ModelOptions::from_arg_matches(&matches)
            .expect("options")
            .config(&environment)
    }

    #[test]
    fn each_wire_reads_its_own_variables() {
        let environment = [
            ("OPENAI_BASE_URL", "http://o/v1/"),
            ("OPENAI_API_KEY", "ok"),
            ("OPENAI_MODEL", "om"),
            ("ANTHROPIC_BASE_URL", "http://a"),
            ("ANTHROPIC_API_KEY", "ak"),
            ("CO_API_URL", ""),
            ("CO_MODEL", "cm"),
        ];
        let told = |arguments: &[&str]| {
            let config = config(arguments, &environment);
            (config.base_url, config.api_key, config.model)
        };
        let texts =
            |url: &str, key: &str, model: &str| (url.to_owned(), key.to_owned(), model.to_owned());
        assert_eq!(told(&[]), texts("http://o/v1", "ok", "om"));
        assert_eq!(
            told(&["--model-wire", "anthropic"]),
            texts("http://a", "ak", "claude-3-5-haiku-latest")
        );
        assert_eq!(
            told(&["--model-wire", "cohere"]),
            texts("https://api.cohere.com", "", "cm")
        );
        assert_eq!(
            told(&["--model-url", "http://x/", "--model", "m"]),
            texts("http://x", "ok", "m")
        );
    }

    #[test]
    fn streams_are_asked_for_on_demand() {
        assert!(!config(&[], &[]).stream);
        assert!(config(&["--model-stream"], &[]).stream);
        assert!(is_key("CO_API_KEY") && is_key("ANTHROPIC_API_KEY") && !is_key("CRM_TOKEN"));
    }
}
