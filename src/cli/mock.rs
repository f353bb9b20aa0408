//! `oap-conform mock`: the scripted model and the mock services on their own.

use std::net::SocketAddr;
use std::path::PathBuf;

use clap::Args;
use mock_services::{Options, Script, Service};

use super::failure::{Failure, read_file};
use super::harness;
use crate::suite::yaml;

/// The token under which calls without any are served.
const DEFAULT_TOKEN: &str = "default";

const AFTER_HELP: &str = "\
The model's script, the services' state and the journal of all calls are reached at
/__mock/<token>/… on the model's port; see mock-services/README.md. Calls without a
correlation token are served under the token 'default'.

Example: oap-conform mock --model-listen 127.0.0.1:9100 --script story.yaml";

/// Options of `mock`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Mock {
    /// Where the scripted model listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    model_listen: SocketAddr,
    /// Where the calendar listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    calendar_listen: SocketAddr,
    /// Where the email service listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    email_listen: SocketAddr,
    /// Where the CRM listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    crm_listen: SocketAddr,
    /// Where the object store listens
    #[arg(long, value_name = "ADDR", default_value = "127.0.0.1:0")]
    objects_listen: SocketAddr,
    /// Model and services script, YAML or JSON, for calls without a token
    #[arg(long, value_name = "FILE")]
    script: Option<PathBuf>,
}

impl Mock {
    /// Serves until it is interrupted.
    pub async fn execute(self) -> Result<u8, Failure> {
        let script = match &self.script {
            None => None,
            Some(path) => {
                let named = |error: String| Failure::usage(format!("{}: {error}", path.display()));
                let text = String::from_utf8(read_file(path)?)
                    .map_err(|_| named("is not UTF-8; save it as UTF-8".to_owned()))?;
                let value = yaml::read(&text)
                    .map_err(|error| named(error.to_string()))?
                    .value;
                Some(Script::from_value(value).map_err(|error| named(error.to_string()))?)
            }
        };
        let mocks = mock_services::start(Options {
            model_listen: Some(self.model_listen),
            calendar_listen: Some(self.calendar_listen),
            email_listen: Some(self.email_listen),
            crm_listen: Some(self.crm_listen),
            objects_listen: Some(self.objects_listen),
            collector_listen: None,
            credentials: harness::credentials(),
            default_token: Some(DEFAULT_TOKEN.to_owned()),
            control_door: true,
            advertise: None,
            allow_non_loopback: false,
        })
        .await
        .map_err(harness::mocks_failed)?;
        if let Some(script) = script {
            mocks
                .load(DEFAULT_TOKEN, script)
                .map_err(|error| Failure::usage(error.to_string()))?;
        }
        println!("model    {}", mocks.model_url());
        for service in Service::ALL.into_iter().skip(1) {
            println!("{:<8} {}", service.to_string(), mocks.service_url(service));
        }
        println!("ready");
        harness::interrupted().await?;
        mocks.shutdown();
        Ok(0)
    }
}
