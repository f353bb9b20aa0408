//! Sandboxes with more of the network, or less, than is granted (`spec/sandbox.md`, section 4).

use std::collections::BTreeSet;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use reqwest::Url;

use super::super::{Mutant, held};
use super::isolation::prefixed;
use crate::diagnostic::Violation;
use crate::manifest::{Manifest, RunCode};
use crate::requirement::Profile;
use crate::runtime::error::{Code, ErrorObject};
use crate::runtime::sandbox::{SandboxParts, asked};
use crate::runtime::session::transcript::SideEffect;
use crate::runtime::{Parts, registry};
use crate::sandbox::{Door, DoorReply, DoorRequest, Failure, FailureCode, Job, Refused};

/// All of them.
pub fn mutants() -> Vec<Mutant> {
    [closed(), other_doors(), granted(), elsewhere(), effects()]
        .into_iter()
        .flatten()
        .collect()
}

fn closed() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "network-is-open",
            "SBX-024",
            "code reaches every host without a grant",
            fn opens_door(&self, _: &RunCode) -> bool {
                true
            },
            fn granted(&self, _: &[String], _: &Url) -> bool {
                true
            }
        ),
        swap_sandbox!(
            "denials-are-plain-errors",
            "SBX-024",
            "an uncaught denial fails with sandbox_error",
            fn failure(&self, failure: &Failure) -> ErrorObject {
                let mut error = asked::failure(failure, self.message(failure));
                if failure.code == FailureCode::NetworkDenied {
                    error.code = Code::SandboxError;
                }
                error
            }
        ),
        swap_sandbox!(
            "denied-requests-are-empty-answers",
            "SBX-024",
            "a request without a grant is answered 200 with nothing",
            fn job(&self, job: Job) -> Job {
                match job.door {
                    Some(_) => job,
                    None => Job {
                        door: Some(Arc::new(Nothing)),
                        ..job
                    },
                }
            }
        ),
    ]
}

/// Answers every request with nothing.
struct Nothing;

impl Door for Nothing {
    fn call(&self, _: DoorRequest, _: Duration) -> Result<DoorReply, Refused> {
        Ok(DoorReply {
            status: 200,
            headers: Vec::new(),
            body: Vec::new(),
        })
    }
}

/// What the interpreters would have if these doors were open.
fn other_doors() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "python-has-another-door",
            "SBX-024",
            "sockets of Python connect",
            fn job(&self, job: Job) -> Job {
                let python =
                    "import socket as _s\n_s.create_connection = lambda *at, **more: object()";
                prefixed(job, python, "")
            }
        ),
        swap_sandbox!(
            "javascript-has-another-door",
            "SBX-024",
            "XMLHttpRequest of JavaScript gets an answer",
            fn job(&self, job: Job) -> Job {
                let javascript = "globalThis.XMLHttpRequest = class { open() {} send() { this.status = 200; } };";
                prefixed(job, "", javascript)
            }
        ),
        swap_sandbox!(
            "names-are-resolved",
            "SBX-024",
            "names of hosts are resolved for code",
            fn job(&self, job: Job) -> Job {
                let python = "import socket as _s\n_s.gethostbyname = lambda name: '192.0.2.1'";
                prefixed(job, python, "")
            }
        ),
    ]
}

fn granted() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "grants-are-forgotten",
            "SBX-025",
            "refuses what the manifest grants",
            fn granted(&self, _: &[String], _: &Url) -> bool {
                false
            }
        ),
        swap_sandbox!(
            "only-the-first-grant-counts",
            "SBX-025",
            "looks at the first entry of network alone",
            fn granted(&self, network: &[String], to: &Url) -> bool {
                asked::granted(network.get(..1).unwrap_or_default(), to)
            }
        ),
        swap_sandbox!(
            "granted-requests-lose-their-bodies",
            "SBX-025",
            "sends granted requests without their bodies",
            fn job(&self, job: Job) -> Job {
                behind(job, |door, mut request, patience| {
                    request.body.clear();
                    door.call(request, patience)
                })
            }
        ),
    ]
}

type Passage = fn(&dyn Door, DoorRequest, Duration) -> Result<DoorReply, Refused>;

/// A door before the door.
struct Porch {
    door: Arc<dyn Door>,
    pass: Passage,
}

impl Door for Porch {
    fn call(&self, request: DoorRequest, patience: Duration) -> Result<DoorReply, Refused> {
        (self.pass)(&*self.door, request, patience)
    }
}

/// The job with a door before its door, if it has one.
fn behind(mut job: Job, pass: Passage) -> Job {
    job.door = job
        .door
        .take()
        .map(|door| Arc::new(Porch { door, pass }) as Arc<dyn Door>);
    job
}

fn elsewhere() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "grants-cover-every-port",
            "SBX-026",
            "a grant covers all ports of its host",
            fn granted(&self, network: &[String], to: &Url) -> bool {
                let host = format!("{}:", to.host_str().unwrap_or_default());
                network.iter().any(|entry| entry.starts_with(&host))
            }
        ),
        swap_sandbox!(
            "grants-cover-every-host",
            "SBX-026",
            "a grant covers its port on all hosts",
            fn granted(&self, network: &[String], to: &Url) -> bool {
                let port = format!(":{}", to.port_or_known_default().unwrap_or_default());
                network.iter().any(|entry| entry.ends_with(&port))
            }
        ),
        swap_sandbox!(
            "grants-match-beginnings",
            "SBX-026",
            "a grant covers what its text begins with",
            fn granted(&self, network: &[String], to: &Url) -> bool {
                let host = to.host_str().unwrap_or_default();
                let wanted = format!("{host}:{}", to.port_or_known_default().unwrap_or_default());
                network.iter().any(|entry| entry.starts_with(&wanted))
            }
        ),
        Mutant::part(
            "redirects-need-no-grant",
            "SBX-026",
            "follows a redirect of a granted host to anybody",
            Followed(Mutex::new(BTreeSet::new())),
        ),
        swap_sandbox!(
            "modules-are-told-of-other-failures",
            "SBX-026",
            "a refused request looks like one that nobody answered",
            fn job(&self, job: Job) -> Job {
                behind(job, |door, request, patience| {
                    door.call(request, patience)
                        .map_err(|refused| match refused {
                            Refused::Denied(message) => Refused::Failed(message),
                            other @ Refused::Failed(_) => other,
                        })
                })
            }
        ),
        swap_sandbox!(
            "private-addresses-are-tried",
            "SBX-027",
            "calls granted private addresses, where nobody answers here",
            fn job(&self, job: Job) -> Job {
                behind(job, |door, request, patience| {
                    let private = ["//10.", "//172.16.", "//192.168.", "//169.254."];
                    let tried = private.iter().any(|begins| request.url.contains(begins));
                    door.call(request, patience)
                        .map_err(|refused| match refused {
                            Refused::Denied(_) if tried => Refused::Failed("no answer".to_owned()),
                            other => other,
                        })
                })
            }
        ),
    ]
}

/// The cases whose last request was let through; their token stands in the path.
struct Followed(Mutex<BTreeSet<String>>);

impl SandboxParts for Followed {
    fn granted(&self, network: &[String], to: &Url) -> bool {
        let token: String = to.path().split('/').take(3).collect();
        let mut followed = held(&self.0);
        if asked::granted(network, to) {
            followed.insert(token);
            return true;
        }
        followed.remove(&token)
    }
}

impl Parts for Followed {
    fn sandbox(&self) -> &dyn SandboxParts {
        self
    }
}

fn effects() -> Vec<Mutant> {
    vec![
        swap_sandbox!(
            "granted-calls-leave-no-trace",
            "SBX-028",
            "granted calls are not recorded",
            fn recorded(&self, _: SideEffect) -> Option<SideEffect> {
                None
            }
        ),
        swap_sandbox!(
            "only-good-answers-are-effects",
            "SBX-028",
            "records no call that was answered with an error",
            fn recorded(&self, effect: SideEffect) -> Option<SideEffect> {
                let good = effect.status.as_u64().is_some_and(|status| status < 400);
                good.then_some(effect)
            }
        ),
        swap!(
            "unoffered-network-is-ignored",
            "SBX-029",
            "registers code with network where none is offered",
            fn unsupported_members(
                &self,
                manifest: &Manifest,
                profiles: &[Profile],
            ) -> Vec<Violation> {
                let mut found = registry::unsupported_members(manifest, profiles);
                found.retain(|violation| !violation.pointer.contains("/network"));
                found
            }
        ),
    ]
}
