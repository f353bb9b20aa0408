//! Options of `serve` about secrets: which there are, and where their values come from, at the start and later.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::model;
use crate::cli::failure::Failure;
use crate::runtime::Rotation;
use crate::runtime::secret_source::{MountedFiles, SecretSource};
use crate::runtime::secrets::vault::{Reference, Settings, Token, Vault, VaultError};

/// Ends of names that are taken for secrets when none is named.
const SECRET_ENDINGS: [&str; 4] = ["_TOKEN", "_KEY", "_SECRET", "_PASSWORD"];

/// What opens the vault.
const VAULT_TOKEN: &str = "VAULT_TOKEN";

/// Which secrets there are.
#[derive(Debug, Args)]
pub(super) struct SecretOptions {
    /// Environment variable that manifests may name as a secret; repeat for more
    #[arg(long, value_name = "NAME")]
    secret: Vec<String>,
    /// File that holds a secret which manifests may name, as orchestrators mount them; repeat for more
    #[arg(long, value_name = "NAME=PATH", value_parser = secret_file)]
    secret_file: Vec<(String, PathBuf)>,
    /// Secret in a vault which manifests may name, such as CRM_TOKEN=secret/crm#token; repeat for more
    #[arg(long, value_name = "NAME=PATH#FIELD", value_parser = in_vault)]
    secret_vault: Vec<(String, Reference)>,
    /// How often the vault is asked for new values, in seconds
    #[arg(long, value_name = "SECONDS", default_value = "300", value_parser = clap::value_parser!(u64).range(1..=86_400))]
    vault_refresh: u64,
}

fn secret_file(text: &str) -> Result<(String, PathBuf), String> {
    match text.split_once('=') {
        Some((name, path)) if !name.is_empty() && !path.is_empty() => {
            Ok((name.to_owned(), PathBuf::from(path)))
        }
        _ => Err("write it as NAME=PATH".to_owned()),
    }
}

fn in_vault(text: &str) -> Result<(String, Reference), String> {
    let (name, place) = text
        .split_once('=')
        .filter(|(name, _)| !name.is_empty())
        .ok_or("write it as NAME=PATH#FIELD")?;
    Ok((name.to_owned(), Reference::parse(place)?))
}

/// The secrets by name, and where new values come from.
type Given = (BTreeMap<String, String>, Rotation);

impl SecretOptions {
    /// The secrets with this environment.
    pub async fn read(&self, environment: &BTreeMap<String, String>) -> Result<Given, Failure> {
        self.check_names()?;
        let mut granted = self.at_hand(environment)?;
        let mut rotation = Rotation {
            files: self.secret_file.iter().cloned().collect(),
            vault: None,
        };
        if !self.secret_vault.is_empty() {
            let failed = |error: VaultError| match error.is_unreachable() {
                true => Failure::unreachable(error.to_string()),
                false => Failure::usage(error.to_string()),
            };
            let vault = Vault::new(self.vault(environment)?).map_err(failed)?;
            granted.extend(vault.read().await.map_err(failed)?);
            rotation.vault = Some(vault);
        }
        Ok((granted, rotation))
    }

    /// Refuses names that no secret may have, and those that are given twice.
    fn check_names(&self) -> Result<(), Failure> {
        let mut known = std::collections::BTreeSet::new();
        let named = self.secret.iter();
        let named = named.chain(self.secret_file.iter().map(|(name, _)| name));
        for (number, name) in named
            .chain(self.secret_vault.iter().map(|(name, _)| name))
            .enumerate()
        {
            if model::is_key(name) {
                return Err(Failure::usage(format!(
                    "{name} is the model's key and cannot be granted to manifests"
                )));
            }
            if name == VAULT_TOKEN && !self.secret_vault.is_empty() {
                return Err(Failure::usage(format!(
                    "{name} opens the vault and cannot be granted to manifests"
                )));
            }
            // The same variable named twice is one secret.
            if !known.insert(name) && number >= self.secret.len() {
                return Err(Failure::usage(format!(
                    "the secret {name} is given twice; name it with one of --secret, --secret-file and --secret-vault"
                )));
            }
        }
        Ok(())
    }

    /// The secrets of the environment and of mounted files.
    fn at_hand(
        &self,
        environment: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Failure> {
        if self.secret.is_empty() && self.secret_file.is_empty() && self.secret_vault.is_empty() {
            return Ok(environment
                .iter()
                .filter(|(name, _)| {
                    !model::is_key(name)
                        && *name != VAULT_TOKEN
                        && SECRET_ENDINGS.iter().any(|ending| name.ends_with(ending))
                })
                .map(|(name, value)| (name.clone(), value.clone()))
                .collect());
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
            granted.extend(value.map(|value| (name.clone(), value)));
        }
        Ok(granted)
    }

    /// How the vault is asked, by the variables that its own tools read.
    fn vault(&self, environment: &BTreeMap<String, String>) -> Result<Settings, Failure> {
        let set = |name: &str| {
            let value = environment.get(name).filter(|value| !value.is_empty());
            value.cloned()
        };
        let address = set("VAULT_ADDR").ok_or_else(|| {
            Failure::usage("--secret-vault: set VAULT_ADDR to the address of the vault")
        })?;
        let token = match (set(VAULT_TOKEN), set("VAULT_TOKEN_FILE")) {
            (Some(token), None) => Token::Given(token),
            (None, Some(path)) => Token::File(PathBuf::from(path)),
            (None, None) => {
                return Err(Failure::usage(
                    "--secret-vault: set VAULT_TOKEN, or VAULT_TOKEN_FILE to a file that holds the token",
                ));
            }
            (Some(_), Some(_)) => {
                return Err(Failure::usage(
                    "--secret-vault: set VAULT_TOKEN or VAULT_TOKEN_FILE, not both",
                ));
            }
        };
        Ok(Settings {
            address,
            namespace: set("VAULT_NAMESPACE"),
            token,
            every: Duration::from_secs(self.vault_refresh),
            secrets: self.secret_vault.iter().cloned().collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn options(arguments: &[&str]) -> SecretOptions {
        use clap::{Args as _, FromArgMatches as _};
        let command = SecretOptions::augment_args(clap::Command::new("serve"));
        let matches = command
            .try_get_matches_from(std::iter::once(&"serve").chain(arguments))
            .expect("arguments");
        SecretOptions::from_arg_matches(&matches).expect("options")
    }

    fn environment(names: &[&str]) -> BTreeMap<String, String> {
        names
            .iter()
            .map(|name| ((*name).to_owned(), format!("value-of-{name}")))
            .collect()
    }

    async fn granted(
        arguments: &[&str],
        environment: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, String>, Failure> {
        let given = options(arguments).read(environment).await;
        given.map(|(granted, _)| granted)
    }

    #[tokio::test]
    async fn the_models_key_and_the_vaults_token_are_never_granted() {
        let all = environment(&[
            "OPENAI_API_KEY",
            "CRM_TOKEN",
            "HOME",
            "DB_PASSWORD",
            "VAULT_TOKEN",
        ]);
        let by_name = granted(&[], &all).await.expect("granted");
        assert_eq!(
            by_name.keys().collect::<Vec<_>>(),
            ["CRM_TOKEN", "DB_PASSWORD"]
        );
        assert!(
            granted(&["--secret", "OPENAI_API_KEY"], &all)
                .await
                .is_err()
        );
        let both = ["--secret", "VAULT_TOKEN", "--secret-vault", "A=secret/a#b"];
        let error = granted(&both, &all).await.expect_err("refused");
        assert!(error.message.contains("opens the vault"), "{error:?}");
    }

    #[tokio::test]
    async fn named_secrets_are_the_only_ones() {
        let all = environment(&["CRM_TOKEN", "EMAIL_TOKEN"]);
        let one = granted(&["--secret", "CRM_TOKEN"], &all)
            .await
            .expect("granted");
        assert_eq!(one.keys().collect::<Vec<_>>(), ["CRM_TOKEN"]);
        assert!(granted(&["--secret", "ABSENT"], &all).await.is_err());
        let same = ["--secret", "CRM_TOKEN", "--secret", "CRM_TOKEN"];
        assert_eq!(granted(&same, &all).await, Ok(one));
    }

    #[tokio::test]
    async fn mounted_files_are_secrets_too() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("crm");
        std::fs::write(&path, "value-in-a-file\n").expect("written");
        let all = environment(&["CRM_TOKEN", "EMAIL_TOKEN"]);
        let file = format!("CRM_TOKEN={}", path.display());
        let both = options(&["--secret-file", &file, "--secret", "EMAIL_TOKEN"]);
        let (both, rotation) = both.read(&all).await.expect("granted");
        assert_eq!(both.len(), 2);
        assert_eq!(both["CRM_TOKEN"], "value-in-a-file");
        assert_eq!(rotation.files["CRM_TOKEN"], path);
        let twice = ["--secret-file", &file, "--secret", "CRM_TOKEN"];
        assert!(granted(&twice, &all).await.is_err());
        let twice = ["--secret-file", &file, "--secret-vault", "CRM_TOKEN=a/b#c"];
        assert!(granted(&twice, &all).await.is_err());
        let key = format!("OPENAI_API_KEY={}", path.display());
        assert!(granted(&["--secret-file", &key], &all).await.is_err());
    }

    #[tokio::test]
    async fn a_vault_needs_an_address_and_one_token() {
        let vault = ["--secret-vault", "CRM_TOKEN=secret/crm#token"];
        for (names, said) in [
            (&[][..], "VAULT_ADDR"),
            (&["VAULT_ADDR"], "VAULT_TOKEN_FILE"),
            (
                &["VAULT_ADDR", "VAULT_TOKEN", "VAULT_TOKEN_FILE"],
                "not both",
            ),
            (&["VAULT_ADDR", "VAULT_TOKEN"], "https://host:8200"),
        ] {
            let error = granted(&vault, &environment(names)).await;
            let error = error.expect_err("refused");
            assert!(error.message.contains(said), "{error:?}");
            assert!(!error.message.contains("value-of"), "{error:?}");
        }
        for bad in [
            "A",
            "=secret/a#b",
            "A=secret/a",
            "A=secret#b",
            "A=secret/../a#b",
        ] {
            assert!(in_vault(bad).is_err(), "{bad}");
        }
    }
}
