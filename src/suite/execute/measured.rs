//! Steps that measure: many requests, and figures in place of an answer.

use serde_json::{Map, Value, json};

use super::Walk;
use crate::suite::case::{Calibrate, Processor, Stimulus};
use crate::suite::identity::Caller;
use crate::suite::measure::{self, Attempt, Tried};
use crate::suite::observed::{StepObserved, Stop};
use crate::suite::stimulus::{self, Refusal};
use crate::suite::substitute::Bindings;
use crate::suite::target::{Exchange, HttpRequest};

/// Why a step measured nothing.
pub(super) enum Unmeasured {
    /// The case ends here.
    Stop(Stop),
    /// The case or the suite is at fault.
    Broken(String),
}

impl From<Refusal> for Unmeasured {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unbound(name) => Self::Broken(format!("nothing is bound to ${{{name}}}")),
            Refusal::Broken(message) => Self::Broken(message),
        }
    }
}

/// Takes a step that measures.
pub(super) async fn take(
    walk: &Walk<'_>,
    stimulus: &Stimulus,
    name: Option<&str>,
    bindings: &Bindings,
) -> Result<StepObserved, Unmeasured> {
    let mut measuring = Measuring {
        walk,
        bindings,
        caller: walk.caller(name).map_err(Unmeasured::Broken)?,
        exchanges: Vec::new(),
    };
    let measured = match stimulus {
        Stimulus::Calibrate(calibrate) => {
            let mut search = Search {
                measuring: &mut measuring,
                calibrate,
            };
            measure::thresholds(&calibrate.of, &mut search).await
        }
        Stimulus::Processor(processor) => measuring.processor(processor).await?,
        _ => None,
    };
    Ok(StepObserved {
        exchanges: measuring.exchanges,
        bindings: bindings.clone(),
        missing: Vec::new(),
        measured,
        calls: None,
    })
}

struct Measuring<'w> {
    walk: &'w Walk<'w>,
    bindings: &'w Bindings,
    caller: Caller,
    exchanges: Vec<Exchange>,
}

impl Measuring<'_> {
    fn request(&self, body: Map<String, Value>) -> Result<HttpRequest, Refusal> {
        stimulus::request(
            &Stimulus::Execute(body),
            self.walk.case,
            &self.walk.observed.token,
            &self.walk.bench.origins,
            self.bindings,
            &self.caller,
        )
    }

    async fn send(&mut self, request: HttpRequest) -> Exchange {
        let exchange = self.walk.send(request).await;
        self.exchanges.push(exchange.clone());
        exchange
    }

    /// `None` when the target falls silent.
    async fn processor(&mut self, processor: &Processor) -> Result<Option<Value>, Unmeasured> {
        let Some(process) = self.walk.bench.process() else {
            let reason =
                "the processor time of the target cannot be seen; name its process with --pid";
            return Err(Unmeasured::Stop(Stop::Unseen(reason.to_owned())));
        };
        let (mut idle, mut run) = (Vec::new(), Vec::new());
        for _ in 0..processor.times {
            for (body, spent) in [(&processor.idle, &mut idle), (&processor.run, &mut run)] {
                let request = self.request(body.clone())?;
                let before = process.used().map_err(Unmeasured::Broken)?;
                if self.send(request).await.answer().is_none() {
                    return Ok(None);
                }
                let after = process.used().map_err(Unmeasured::Broken)?;
                spent.push(after.saturating_sub(before));
            }
        }
        let spent = measure::median(run).saturating_sub(measure::median(idle));
        Ok(Some(json!({"cpu_ms": spent.as_millis() as u64})))
    }
}

/// Tries actions with more and more work.
struct Search<'s, 'w> {
    measuring: &'s mut Measuring<'w>,
    calibrate: &'s Calibrate,
}

impl Attempt for Search<'_, '_> {
    async fn attempt(&mut self, action: &str, work: u64) -> Tried {
        let input = json!({self.calibrate.work.as_str(): work});
        let node = json!({"@type": "OpenAction:Action", "name": action, "input": input});
        let body = Map::from_iter([("open_action".to_owned(), node)]);
        match self.measuring.request(body) {
            Ok(request) => {
                let exchange = self.measuring.send(request).await;
                measure::tried(&exchange, &self.calibrate.until)
            }
            Err(_) => Tried::Other,
        }
    }
}
