//! `oap-conform serve`: the reference interpreter on its own.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;

use super::failure::{Failure, read_file};
use super::harness;
use crate::manifest::{self, Manifest};
use crate::model::ModelConfig;
use crate::runtime::{self, Config, Reference, StartError, offered_profiles};

const AFTER_HELP: &str = "\
Secrets are taken from the environment: those named by --secret, or without it all
variables whose names end in _TOKEN, _KEY, _SECRET or _PASSWORD. The model's key is
never granted to a manifest. A manifest names them as ${NAME} in auth and headers.

Example:
  OPENAI_API_KEY=… CALENDAR_TOKEN=… CRM_TOKEN=… \\
    oap-conform serve --listen 127.0.0.1:8080 --manifest meetbot.json";

/// Ends of names that are taken for secrets when none is named.
const SECRET_ENDINGS: [&str; 4] = ["_TOKEN", "_KEY", "_SECRET", "_PASSWORD"];

/// Beginning of the environment variables that hold endpoint variables.
const VARIABLE_PREFIX: &str = "OAP_VAR_";

const MODEL_KEY: &str = "OPENAI_API_KEY";

/// Options of `serve`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Serve {
    /// Where to listen; port 0 picks a free one
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:8080")]
    listen: SocketAddr,
    /// Manifest to register at the start; repeat for more
    #[arg(long, value_name = "FILE")]
    manifest: Vec<PathBuf>,
    /// Environment variable that manifests may name as a secret; repeat for more
    #[arg(long, value_name = "NAME")]
    secret: Vec<String>,
    /// Value that endpoints may name, not a secret; also from OAP_VAR_<NAME>; repeat for more
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    variable: Vec<(String, String)>,
    /// Base URL of the model, OpenAI chat completions
    #[arg(
        long,
        value_name = "URL",
        env = "OPENAI_BASE_URL",
        default_value = "https://api.openai.com/v1"
    )]
    model_url: String,
    /// Name of the model
    #[arg(
        long,
        value_name = "NAME",
        env = "OPENAI_MODEL",
        default_value = "gpt-4o-mini"
    )]
    model: String,
    /// Longest wait for the model, in milliseconds
    #[arg(long, value_name = "MS", env = "OAP_MODEL_TIMEOUT_MS", default_value = "60000", value_parser = clap::value_parser!(u64).range(1..=600_000))]
    model_timeout: u64,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

impl Serve {
    /// Serves until it is interrupted, then drains.
    pub async fn execute(self) -> Result<u8, Failure> {
        let config = self.config()?;
        let running =
            runtime::start(config, Arc::new(Reference))
                .await
                .map_err(|error| match error {
                    StartError::Listen { .. } => Failure::unreachable(error.to_string()),
                    _ => Failure::usage(error.to_string()),
                })?;
        println!("listening on http://{}", running.addr);
        harness::interrupted().await?;
        eprintln!("draining; steps in flight end first");
        running.shutdown().await;
        Ok(0)
    }

    fn config(&self) -> Result<Config, Failure> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let manifests = self
            .manifest
            .iter()
            .map(|path| load(path))
            .collect::<Result<Vec<_>, _>>()?;
        Ok(Config {
            listen: self.listen,
            manifests,
            secrets: self.secrets(&environment)?,
            variables: self.variables(&environment),
            model: ModelConfig {
                base_url: self.model_url.trim_end_matches('/').to_owned(),
                api_key: environment.get(MODEL_KEY).cloned().unwrap_or_default(),
                model: self.model.clone(),
                timeout: Duration::from_millis(self.model_timeout),
            },
            limits: runtime::Limits::default(),
            profiles: offered_profiles(),
        })
    }

    fn secrets(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Failure> {
        if self.secret.is_empty() {
            return Ok(environment
                .iter()
                .filter(|(name, _)| {
                    *name != MODEL_KEY && SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
                })
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect());
        }
        self.secret
            .iter()
            .map(|name| {
                if name == MODEL_KEY {
                    return Err(Failure::usage(format!(
                        "{MODEL_KEY} is the model's key and cannot be granted to manifests"
                    )));
                }
                let value = environment.get(name).ok_or_else(|| {
                    Failure::usage(format!(
                        "--secret {name}: there is no such environment variable; set it"
                    ))
                })?;
                Ok((name.clone(), value.clone()))
            })
            .collect()
    }

    fn variables(&self, environment: &BTreeMap<String, String>) -> BTreeMap<String, String> {
        environment
            .iter()
            .filter_map(|(name, value)| {
                Some((
                    name.strip_prefix(VARIABLE_PREFIX)?.to_owned(),
                    value.clone(),
                ))
            })
            .chain(self.variable.iter().cloned())
            .collect()
    }
}

fn load(path: &std::path::Path) -> Result<Manifest, Failure> {
    manifest::read(&read_file(path)?)
        .map_err(|error| Failure::usage(format!("{}: {error}", path.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn serve(arguments: &[&str]) -> Serve {
        use clap::{Args as _, FromArgMatches as _};
        let command = Serve::augment_args(clap::Command::new("serve"));
        let matches = command
            .try_get_matches_from(std::iter::once(&"serve").chain(arguments))
            .expect("arguments");
        Serve::from_arg_matches(&matches).expect("serve")
    }

    fn environment(names: &[&str]) -> BTreeMap<String, String> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), format!("value-of-{name}")))
            .collect()
    }

    #[test]
    fn the_models_key_is_never_granted() {
        let all = environment(&["OPENAI_API_KEY", "CRM_TOKEN", "HOME", "DB_PASSWORD"]);
        let granted = serve(&[]).secrets(&all).expect("granted");
        assert_eq!(
            granted.keys().collect::<Vec<_>>(),
            ["CRM_TOKEN", "DB_PASSWORD"]
        );
        assert!(
            serve(&["--secret", "OPENAI_API_KEY"])
                .secrets(&all)
                .is_err()
        );
    }

    #[test]
    fn named_secrets_are_the_only_ones() {
        let all = environment(&["CRM_TOKEN", "EMAIL_TOKEN"]);
        let granted = serve(&["--secret", "CRM_TOKEN"])
            .secrets(&all)
            .expect("granted");
        assert_eq!(granted.keys().collect::<Vec<_>>(), ["CRM_TOKEN"]);
        assert!(serve(&["--secret", "ABSENT"]).secrets(&all).is_err());
    }

    #[test]
    fn variables_come_from_flags_and_their_own_prefix_only() {
        let all = environment(&["OAP_VAR_REGION", "HOME"]);
        let found = serve(&["--variable", "ZONE=a=b"]).variables(&all);
        assert_eq!(
            found.get("REGION").map(String::as_str),
            Some("value-of-OAP_VAR_REGION")
        );
        assert_eq!(found.get("ZONE").map(String::as_str), Some("a=b"));
        assert_eq!(found.len(), 2);
    }
}
