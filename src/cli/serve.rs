//! `oap-conform serve`: the reference interpreter on its own.

mod access;
mod auth_file;
mod model;
mod sandbox;
mod storage;
mod store;
mod telemetry;

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;

use clap::Args;

use super::failure::{Failure, read_file};
use super::harness;
use crate::manifest::{self, Manifest};
use crate::requirement::{Extension, Profile};
use crate::runtime::secret_source::{MountedFiles, SecretSource};
use crate::runtime::{
    self, Clock, Config, Reference, StartError, offered_extensions, offered_profiles,
};
use access::AccessOptions;
use model::ModelOptions;
use sandbox::SandboxOptions;
use storage::StorageOptions;
use store::StoreOptions;
use telemetry::TelemetryOptions;

const AFTER_HELP: &str = "\
Secrets are those named by --secret (environment) and --secret-file (mounted file), or
without both all environment variables whose names end in _TOKEN, _KEY, _SECRET or
_PASSWORD. The model's key, the keys and tokens of --auth, and the keys of the object store
are never granted to a manifest. A manifest names secrets as ${NAME} in auth and headers.

The file of --auth is TOML:
  audience = \"my-runtime\"                 # optional, and so is issuer
  [[key]]
  kid = \"main\"
  alg = \"HS256\"                           # with secret_env or secret_file
  secret_env = \"JWT_SECRET\"
  [[key]]
  kid = \"portal\"
  alg = \"EdDSA\"                           # with public_key (base64url) or public_key_file
  public_key_file = \"portal.pem\"
  [[token]]
  token_env = \"OPS_TOKEN\"                 # or token_file
  subject = \"ops\"
  scopes = [\"manifest:write\"]

Actions read and write files below memory: roots, and below those of --allow-root. An object
store is reached by the variables that tools of AWS read: AWS_ACCESS_KEY_ID,
AWS_SECRET_ACCESS_KEY, AWS_SESSION_TOKEN, AWS_REGION, AWS_ENDPOINT_URL_S3 or AWS_ENDPOINT_URL.

Sessions end with the process, unless --data names a folder to keep them in, or --postgres a
database for several processes, of which any takes any step. What is kept is on stable storage
before a client hears of it; what was under way when a process died is ended by the next, or by
another (spec/sessions.md, section 5). A password in the URL is best given in OAP_POSTGRES_URL.

Example, in a checkout:
  OPENAI_API_KEY=… CALENDAR_TOKEN=… EMAIL_TOKEN=… CRM_TOKEN=… \\
    oap-conform serve --listen 127.0.0.1:8080 --manifest fixtures/manifests/valid/meetbot.json";

/// Ends of names that are taken for secrets when none is named.
const SECRET_ENDINGS: [&str; 4] = ["_TOKEN", "_KEY", "_SECRET", "_PASSWORD"];

/// Beginning of the environment variables that hold endpoint variables.
const VARIABLE_PREFIX: &str = "OAP_VAR_";

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
    /// File that holds a secret which manifests may name, as orchestrators mount them; repeat for more
    #[arg(long, value_name = "NAME=PATH", value_parser = secret_file)]
    secret_file: Vec<(String, PathBuf)>,
    #[command(flatten)]
    access: AccessOptions,
    #[command(flatten)]
    sandbox: SandboxOptions,
    #[command(flatten)]
    storage: StorageOptions,
    #[command(flatten)]
    store: StoreOptions,
    /// Extension of the draft 2.1 to offer; there is caching
    #[arg(long, value_name = "NAME", value_parser = extension)]
    offer: Vec<Extension>,
    /// Value that endpoints may name, not a secret; also from OAP_VAR_<NAME>; repeat for more
    #[arg(long, value_name = "NAME=VALUE", value_parser = variable)]
    variable: Vec<(String, String)>,
    #[command(flatten)]
    model: ModelOptions,
    #[command(flatten)]
    telemetry: TelemetryOptions,
}

fn variable(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("write it as NAME=VALUE".to_owned()),
    }
}

fn extension(text: &str) -> Result<Extension, String> {
    let known = offered_extensions();
    let found = known.iter().find(|extension| extension.name() == text);
    found.copied().ok_or_else(|| {
        let names: Vec<_> = known.iter().map(|extension| extension.name()).collect();
        format!("offer one of {}", names.join(", "))
    })
}

fn secret_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(path)))
        }
        _ => Err("write it as NAME=PATH".to_owned()),
    }
}

impl Serve {
    /// Serves until it is interrupted, then drains; interrupted once more it ends at once.
    pub async fn execute(self) -> Result<u8, Failure> {
        let mut config = self.config()?;
        let takes_stdout = self.telemetry.takes_stdout();
        config.ledger = self.store.open().await?;
        let failed = |error: StartError| match error {
            StartError::Listen { .. } => Failure::unreachable(error.to_string()),
            _ => Failure::usage(error.to_string()),
        };
        // Code in the manifests is looked at before anybody is answered, so whoever starts this sees what is waited for.
        sandbox::prepare();
        let running = runtime::start(config, Arc::new(Reference))
            .await
            .map_err(failed)?;
        if let Some(clock) = running.clock_url() {
            eprintln!("the clock can be moved at {clock}");
        }
        let listening = format!("listening on http://{}", running.addr);
        match takes_stdout {
            true => eprintln!("{listening}"),
            false => println!("{listening}"),
        }
        harness::interrupted().await?;
        eprintln!("draining; steps in flight end first, another signal ends them");
        tokio::select! {
            () = running.shutdown() => {}
            again = harness::interrupted() => {
                again?;
                eprintln!("ended; steps in flight were given up");
            }
        }
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
        let secrets = self.secrets(&environment)?;
        Ok(Config {
            listen: self.listen,
            manifests,
            bound_secrets: self.access.bound_secrets(&secrets)?,
            secrets,
            variables: self.variables(&environment),
            model: self.model.config(&environment),
            plugins: self.access.plugins(),
            limits: runtime::Limits::default(),
            sandbox: self.sandbox.settings(),
            storage: self.storage.settings(&environment)?,
            profiles: self.profiles(),
            extensions: self.offer.iter().copied().collect(),
            ledger: None,
            keep_transcripts: self.store.keep_transcripts(),
            telemetry: self.telemetry.settings(&environment)?,
            auth: self.access.auth()?,
            anonymous_scopes: self.access.anonymous_scopes(),
            allowed_networks: self.access.allowed_networks(),
            clock: Clock::default(),
            test_clock: self.access.test_clock(),
        })
    }

    /// The draft is declared only where something of it is offered, and observability where it is asked for.
    fn profiles(&self) -> BTreeSet<Profile> {
        let mut profiles = offered_profiles();
        if self.offer.is_empty() {
            profiles.remove(&Profile::Draft21);
        }
        if !self.telemetry.is_wanted() {
            profiles.remove(&Profile::Observability);
        }
        profiles
    }

    fn secrets(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Failure> {
        if self.secret.is_empty() && self.secret_file.is_empty() {
            return Ok(environment
                .iter()
                .filter(|(name, _)| {
                    !model::is_key(name)
                        && SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
                })
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect());
        }
        let mut named = self
            .secret
            .iter()
            .chain(self.secret_file.iter().map(|(name, _)| name));
        if let Some(key) = named.find(|name| model::is_key(name)) {
            return Err(Failure::usage(format!(
                "{key} is the model's key and cannot be granted to manifests"
            )));
        }
        let mut granted = BTreeMap::new();
        for name in &self.secret {
            let value = environment.get(name).ok_or_else(|| {
                Failure::usage(format!(
                    "--secret {name}: there is no such environment variable; set it"
                ))
            })?;
            granted.insert(name.clone(), value.clone());
        }
        let files = MountedFiles(self.secret_file.iter().cloned().collect());
        for name in files.0.keys() {
            let value = files
                .read(name)
                .map_err(|error| Failure::usage(format!("--secret-file {name}: {error}")))?;
            let before = value.and_then(|value| granted.insert(name.clone(), value));
            if before.is_some() {
                return Err(Failure::usage(format!(
                    "the secret {name} is given twice; name it with --secret or with --secret-file"
                )));
            }
        }
        Ok(granted)
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
    fn mounted_files_are_secrets_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("crm");
        std::fs::write(&path, "value-in-a-file\n").expect("written");
        let all = environment(&["CRM_TOKEN", "EMAIL_TOKEN"]);
        let file = format!("CRM_TOKEN={}", path.display());
        let granted = serve(&["--secret-file", &file, "--secret", "EMAIL_TOKEN"]);
        let granted = granted.secrets(&all).expect("granted");
        assert_eq!(granted.len(), 2);
        assert_eq!(granted["CRM_TOKEN"], "value-in-a-file");
        let twice = serve(&["--secret-file", &file, "--secret", "CRM_TOKEN"]);
        assert!(twice.secrets(&all).is_err());
        let key = format!("OPENAI_API_KEY={}", path.display());
        assert!(serve(&["--secret-file", &key]).secrets(&all).is_err());
    }

    #[test]
    fn only_granted_secrets_are_bound() {
        let granted = BTreeMap::from([("A".to_owned(), "value-of-a".to_owned())]);
        let bound = serve(&[
            "--bind-secret",
            "A=a.example.com",
            "--bind-secret",
            "A=b.example.com",
        ]);
        let bound = bound.access.bound_secrets(&granted).expect("bound");
        assert_eq!(bound["A"], ["a.example.com", "b.example.com"]);
        assert!(
            serve(&["--bind-secret", "B=h"])
                .access
                .bound_secrets(&granted)
                .is_err()
        );
    }

    #[test]
    fn the_draft_is_declared_where_something_of_it_is_offered() {
        assert!(!serve(&[]).profiles().contains(&Profile::Draft21));
        let offering = serve(&["--offer", "caching"]);
        assert!(offering.profiles().contains(&Profile::Draft21));
        assert!(extension("cost").is_err());
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
