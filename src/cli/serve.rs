//! `oap-conform serve`: the reference interpreter on its own.

mod access;
mod auth_file;
mod model;
mod sandbox;
mod secrets;
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
use crate::runtime::{
    self, Clock, Config, Reference, StartError, offered_extensions, offered_profiles,
};
use access::AccessOptions;
use model::ModelOptions;
use sandbox::SandboxOptions;
use secrets::SecretOptions;
use storage::StorageOptions;
use store::StoreOptions;
use telemetry::TelemetryOptions;

const AFTER_HELP: &str = "\
Secrets are those named by --secret (environment), --secret-file (mounted file) and
--secret-vault, or without these all environment variables whose names end in _TOKEN, _KEY,
_SECRET or _PASSWORD. The model's key, the keys and tokens of --auth, the keys of the object
store and the token of the vault are never granted to a manifest. A manifest names secrets as
${NAME} in auth and headers.

A mounted file that changes is read again when the next request is made. A vault (HashiCorp
Vault or OpenBao, key-value engine version 2) is reached by the variables VAULT_ADDR,
VAULT_TOKEN or VAULT_TOKEN_FILE, and VAULT_NAMESPACE; it is asked again every
--vault-refresh seconds. The last good value stays where a new one cannot be had, with a
warning on stderr. Values that a secret had before are redacted like the one that it has.

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
    #[command(flatten)]
    secrets: SecretOptions,
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
    /// Drives every active session in the background: when it is opened, after a person's answer, and at the start those that are kept
    #[arg(long)]
    autorun: bool,
    /// Carries a user's preferences from a closed session to the user's next one, as long as transcripts are kept
    #[arg(long)]
    remember_preferences: bool,
    /// Serves a page for people at /console: sessions with their progress, and the questions that wait for an answer. Without
    /// --auth every call needs a token then, which is made at each start and printed on stderr, and only loopback is listened on
    #[arg(long)]
    console: bool,
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

impl Serve {
    /// Serves until it is interrupted, then drains; interrupted once more it ends at once.
    pub async fn execute(self) -> Result<u8, Failure> {
        let mut config = self.config().await?;
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
        if let Some(token) = running.console_token() {
            eprintln!("console: http://{}/console#token={token}", running.addr);
        } else if self.console {
            eprintln!("console: http://{}/console", running.addr);
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

    async fn config(&self) -> Result<Config, Failure> {
        let environment: BTreeMap<String, String> = std::env::vars_os()
            .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
            .collect();
        let manifests = self
            .manifest
            .iter()
            .map(|path| load(path))
            .collect::<Result<Vec<_>, _>>()?;
        let (secrets, rotation) = self.secrets.read(&environment).await?;
        Ok(Config {
            listen: self.listen,
            manifests,
            bound_secrets: self.access.bound_secrets(&secrets)?,
            secrets,
            rotation,
            variables: self.variables(&environment),
            model: self.model.config(&environment),
            plugins: self.access.plugins(),
            limits: self.store.limits(),
            sandbox: self.sandbox.settings(),
            storage: self.storage.settings(&environment)?,
            profiles: self.profiles(),
            extensions: self.offer.iter().copied().collect(),
            ledger: None,
            keep_transcripts: self.store.keep_transcripts(),
            telemetry: self.telemetry.settings(&environment)?,
            autorun: self.autorun,
            remember_preferences: self.remember_preferences,
            console: self.console,
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
    fn open_sessions_are_bounded_as_the_operator_says() {
        let limits = |arguments: &[&str]| {
            let limits = serve(arguments).store.limits();
            (limits.sessions, limits.session_bytes >> 20)
        };
        let standard = runtime::Limits::default();
        assert_eq!(
            limits(&[]),
            (standard.sessions, standard.session_bytes >> 20)
        );
        let named = ["--sessions", "100000", "--session-memory", "2048"];
        assert_eq!(limits(&named), (100_000, 2048));
        let command = <Serve as clap::Args>::augment_args(clap::Command::new("serve"));
        for wrong in [
            ["--sessions", "0"],
            ["--sessions", "10000001"],
            ["--session-memory", "0"],
        ] {
            let given = std::iter::once("serve").chain(wrong);
            assert!(
                command.clone().try_get_matches_from(given).is_err(),
                "{wrong:?}"
            );
        }
    }

    #[test]
    fn variables_come_from_flags_and_their_own_prefix_only() {
        let all = [("OAP_VAR_REGION", "eu"), ("HOME", "/home/ops")];
        let all = all.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let all = BTreeMap::from(all);
        let found = serve(&["--variable", "ZONE=a=b"]).variables(&all);
        assert_eq!(found.get("REGION").map(String::as_str), Some("eu"));
        assert_eq!(found.get("ZONE").map(String::as_str), Some("a=b"));
        assert_eq!(found.len(), 2);
    }
}
