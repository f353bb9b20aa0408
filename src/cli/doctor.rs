//! `oap-conform doctor`: why a target is not ready to be judged, and what to do.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use clap::Args;
use mock_services::MockServices;

use super::failure::Failure;
use super::run::ground::{Facts, Ground};
use super::run::stand::Stand;
use super::run::target::{Chosen, Own, TargetChoice};
use super::{Format, harness, run};
use crate::suite::doctor::{self, Diagnosis, Subject};
use crate::suite::secrets::Secrets;
use crate::suite::target::definition::Definition;
use crate::suite::target::{Target, family};
use crate::suite::{Options, Times};

/// Longest wait for one answer unless the target's definition says otherwise.
const PATIENCE: Duration = Duration::from_secs(5);

/// How long a target that somebody else started may take to answer.
const READY: Duration = Duration::from_secs(2);

const AFTER_HELP: &str = "\
Starts the target as 'run' would, and looks at what nearly every case needs: the command, the port,
readiness, capabilities, a manifest, the model, the services, their tokens, and what else is
configured. Each look says ok, wrong with what to do, or not looked at. It is no verdict.

Exit codes: 0 all is well, 1 something is wrong, 2 the definition cannot be read, 3 the target is
not ready.";

/// Options of `doctor`.
#[derive(Debug, Args)]
#[command(after_help = AFTER_HELP)]
pub(super) struct Doctor {
    #[command(flatten)]
    target: TargetChoice,
    /// How to print the looks
    #[arg(long, value_enum, default_value = "text")]
    format: Format,
}

impl Doctor {
    /// Looks, and prints what was seen.
    pub async fn execute(self) -> Result<u8, Failure> {
        if self.target.transcripts().is_some() {
            return Err(Failure::usage(
                "transcripts need no doctor; judge them with oap-conform run --transcripts",
            ));
        }
        if self.target.is_silent() {
            return Err(Failure::usage(
                "there is no oap-target.toml here; write one with oap-conform init, or name the target with --command, --stdio, --url or --target",
            ));
        }
        let mut diagnosis = Diagnosis::new(self.title());
        let chosen = match self.target.chosen() {
            Ok(chosen) => chosen,
            Err(failure) => {
                diagnosis.wrong(
                    "definition",
                    &failure.message,
                    "mend it as it says; spec/schemas/target.json has all members, oap-conform init writes one that can be read",
                );
                self.print(&diagnosis)?;
                return Ok(failure.code);
            }
        };
        diagnosis.ok("definition", self.readable());
        family::take_in_orphans();
        harness::to_its_end(look(chosen, &mut diagnosis)).await?;
        self.print(&diagnosis)?;
        Ok(diagnosis.exit_code().number())
    }

    fn print(&self, diagnosis: &Diagnosis) -> Result<(), Failure> {
        match self.format {
            Format::Json => println!("{}", harness::pretty(diagnosis)?),
            Format::Text => {
                print!("{}", diagnosis.text());
                let next = match diagnosis.exit_code().number() {
                    0 => "oap-conform run",
                    _ => "mend the first that is wrong, then oap-conform doctor again",
                };
                println!("next: {next}");
            }
        }
        Ok(())
    }

    fn title(&self) -> String {
        match self.target.file() {
            Some(file) => file.display().to_string(),
            None => self.target.words().join(" "),
        }
    }

    fn readable(&self) -> String {
        match self.target.file() {
            Some(file) => format!("{} can be read", file.display()),
            None => "the options say how the target is reached".to_owned(),
        }
    }
}

async fn look(chosen: Chosen, diagnosis: &mut Diagnosis) -> Result<(), Failure> {
    match chosen {
        Chosen::Own(own) => look_at_own(*own, diagnosis).await,
        built_in => {
            let stand = Stand::up(built_in).await?;
            diagnosis.ready = true;
            let options = stand.on(options(None));
            let subject = Subject {
                target: Arc::clone(&stand.target),
                mocks: Arc::clone(&stand.mocks),
                definition: &Definition::default(),
                options: &options,
            };
            doctor::talk(&subject, diagnosis).await;
            stand.down(None::<&Path>).await;
            Ok(())
        }
    }
}

async fn look_at_own(own: Own, diagnosis: &mut Diagnosis) -> Result<(), Failure> {
    let ground = Ground::lay(own).await?;
    let hidden = ground.facts(None).secrets;
    diagnosis.hide(Secrets::new(hidden));
    let (definition, mocks) = (&ground.definition, &ground.mocks);
    match ground.start() {
        None => {
            let http = ground.elsewhere()?;
            doctor::elsewhere(&http, READY, diagnosis).await;
            if diagnosis.ready {
                let facts = ground.facts(ground.clock_elsewhere());
                talk(Arc::new(http), mocks, definition, &facts, diagnosis).await;
            }
        }
        Some(start) if start.stdio.is_some() => {
            let (plan, clock) = ground.adapter()?;
            if let Some(target) = doctor::stdio(plan, diagnosis).await {
                let facts = ground.facts(clock);
                let asked = Arc::clone(&target) as Arc<dyn Target>;
                talk(asked, mocks, definition, &facts, diagnosis).await;
                target.stop().await;
            }
        }
        Some(_) => {
            let (plan, clock) = ground.plan()?;
            if let Some(process) = doctor::command(&plan, diagnosis).await {
                let facts = ground.facts(clock);
                let asked = Arc::new(plan.http.clone());
                talk(asked, mocks, definition, &facts, diagnosis).await;
                doctor::finish(&process, &plan, diagnosis).await;
            }
        }
    }
    Ok(())
}

async fn talk(
    target: Arc<dyn Target>,
    mocks: &Arc<MockServices>,
    definition: &Definition,
    facts: &Facts,
    diagnosis: &mut Diagnosis,
) {
    let options = facts.on(options(definition.limits.request_ms));
    let subject = Subject {
        target,
        mocks: Arc::clone(mocks),
        definition,
        options: &options,
    };
    doctor::talk(&subject, diagnosis).await;
}

/// The options of a run, as far as a doctor needs them.
fn options(request_ms: Option<u64>) -> Options {
    let defaults = Times::default();
    Options {
        seed: run::seed_from_clock(),
        times: Times {
            request: request_ms.map_or(PATIENCE, Duration::from_millis),
            ..defaults
        },
        ..Options::default()
    }
}
