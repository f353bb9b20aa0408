//! Options of `serve` about who may call, and where calls may go.

use std::collections::{BTreeMap, BTreeSet};
use std::net::SocketAddr;
use std::path::{Path, PathBuf};

use clap::Args;
use reqwest::Url;

use super::auth_file;
use crate::cli::failure::{Failure, read_file};
use crate::runtime::PluginFolder;
use crate::runtime::access::{Auth, Network};
use crate::runtime::secret_source::Environment;

/// Who may call, and where calls may go.
#[derive(Debug, Args)]
pub(super) struct AccessOptions {
    /// File with the keys and tokens that callers are checked by; without it everybody is one anonymous subject
    #[arg(long, value_name = "FILE")]
    auth: Option<PathBuf>,
    /// Scope of everybody, where there is no --auth; repeat for more
    #[arg(long, value_name = "SCOPE", conflicts_with = "auth", value_parser = auth_file::scope)]
    anonymous_scope: Vec<String>,
    /// Host, or host:port, that a secret may be sent to; repeat for more hosts or secrets. Secrets without go anywhere
    #[arg(long, value_name = "NAME=HOST", value_parser = binding)]
    bind_secret: Vec<(String, String)>,
    /// Block of addresses that actions may call although it is private, such as 10.0.0.0/8; repeat for more
    #[arg(long, value_name = "CIDR", value_parser = str::parse::<Network>)]
    allow_address: Vec<Network>,
    /// Folder with plugins, each described by a NAME.json
    #[arg(long, value_name = "DIR")]
    plugins: Option<PathBuf>,
    /// Loopback address at which tests may move the clock: POST /advance {"advance_ms": n}
    #[arg(long, value_name = "ADDR")]
    test_clock: Option<SocketAddr>,
}

impl AccessOptions {
    /// Whose tokens are valid.
    pub fn auth(&self) -> Result<Option<Auth>, Failure> {
        let Some(path) = &self.auth else {
            return Ok(None);
        };
        let defect = |error: String| Failure::usage(format!("{}: {error}", path.display()));
        let text = String::from_utf8(read_file(path)?)
            .map_err(|_| defect("it is not UTF-8 text".to_owned()))?;
        let folder = path.parent().unwrap_or(Path::new("."));
        auth_file::read(&text, folder, &Environment)
            .map(Some)
            .map_err(defect)
    }

    /// The scopes of everybody.
    pub fn anonymous_scopes(&self) -> BTreeSet<String> {
        self.anonymous_scope.iter().cloned().collect()
    }

    /// The hosts of bound secrets; `granted` are the secrets that there are.
    pub fn bound_secrets(
        &self,
        granted: &BTreeMap<String, String>,
    ) -> Result<BTreeMap<String, Vec<String>>, Failure> {
        let mut bound = BTreeMap::<String, Vec<String>>::new();
        for (name, host) in &self.bind_secret {
            if !granted.contains_key(name) {
                return Err(Failure::usage(format!(
                    "--bind-secret {name}: no such secret is granted; name it with --secret, --secret-file or --secret-vault"
                )));
            }
            bound.entry(name.clone()).or_default().push(host.clone());
        }
        Ok(bound)
    }

    /// The blocks of addresses that actions may call besides those on the internet.
    pub fn allowed_networks(&self) -> Vec<Network> {
        self.allow_address.clone()
    }

    /// Where plugins are.
    pub fn plugins(&self) -> PluginFolder {
        self.plugins
            .clone()
            .map_or(PluginFolder::None, PluginFolder::Directory)
    }

    /// Where the clock can be moved.
    pub fn test_clock(&self) -> Option<SocketAddr> {
        self.test_clock
    }
}

fn binding(text: &str) -> Result<(String, String), String> {
    let refused = || format!("{text:?}: write it as NAME=HOST or NAME=HOST:PORT");
    let (name, host) = text.split_once('=').ok_or_else(refused)?;
    // The parser of URLs decides what is a host, and spells it as the requests will.
    let url = Url::parse(&format!("https://{host}")).map_err(|_| refused())?;
    let bare = !name.is_empty()
        && !host.contains(['/', '\\', '@'])
        && url.path() == "/"
        && url.query().is_none()
        && url.fragment().is_none();
    let spelled = url.host_str().filter(|_| bare).ok_or_else(refused)?;
    // The default port of https is not in the URL, but was meant all the same.
    let port = match url.port() {
        Some(port) => Some(port),
        None => host.ends_with(":443").then_some(443),
    };
    let spelled = match port {
        Some(port) => format!("{spelled}:{port}"),
        None => spelled.to_owned(),
    };
    Ok((name.to_owned(), spelled))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_are_spelled_as_requests_spell_them() {
        for (text, host) in [
            ("A=api.example.com", "api.example.com"),
            ("A=API.Example.com:8443", "api.example.com:8443"),
            ("A=api.example.com:443", "api.example.com:443"),
            ("A=127.1", "127.0.0.1"),
            ("A=[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(binding(text), Ok(("A".to_owned(), host.to_owned())));
        }
        for bad in [
            "A",
            "=h",
            "A=",
            "A=https://h",
            "A=h/x",
            "A=u@h",
            "A=h?x",
            "A=h#x",
            "A=a b",
        ] {
            assert!(binding(bad).is_err(), "{bad}");
        }
    }
}
