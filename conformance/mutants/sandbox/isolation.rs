//! Sandboxes that are not closed, or not private (`spec/sandbox.md`, section 2).
//!
//! What a run can reach is the sandbox's own; these targets put into the code what an open one would have there.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use serde_json::{Value, json};

use super::super::{Mutant, held};
use crate::runtime::Parts;
use crate::runtime::sandbox::{Done, SandboxParts};
use crate::sandbox::{Finished, Job, Language, QueueKey, Sandbox};

/// All of them.
pub fn mutants() -> Vec<Mutant> {
    let mut mutants = vec![processes(), threads(), native_code(), environment()];
    mutants.extend([wasi_environment(), other_folder(), writes_anywhere()]);
    mutants.extend([
        leftovers(),
        outside(),
        links(),
        file_bytes(),
        files(),
        memory(),
    ]);
    mutants
}

/// The job with lines before its Python or JavaScript code.
pub(super) fn prefixed(mut job: Job, python: &str, javascript: &str) -> Job {
    let before = match job.program.language {
        Language::Python => python,
        Language::JavaScript => javascript,
        Language::Wasm => "",
    };
    job.program.code = format!("{before}\n{}", job.program.code).into();
    job
}

fn processes() -> Mutant {
    swap_sandbox!(
        "starts-processes",
        "SBX-006",
        "code can run commands of the host",
        fn job(&self, job: Job) -> Job {
            prefixed(
                job,
                "import os\nos.system = lambda command: 0",
                "globalThis.std = {popen() { return {}; }};",
            )
        }
    )
}

fn threads() -> Mutant {
    swap_sandbox!(
        "starts-threads",
        "SBX-006",
        "code can start threads",
        fn job(&self, job: Job) -> Job {
            prefixed(
                job,
                "import _thread\n_thread.start_new_thread = lambda function, args: 1",
                "globalThis.Worker = class {};",
            )
        }
    )
}

fn native_code() -> Mutant {
    swap_sandbox!(
        "loads-native-code",
        "SBX-006",
        "code can load libraries of the host",
        fn job(&self, job: Job) -> Job {
            prefixed(
                job,
                "import sys, types\nsys.modules['ctypes'] = types.SimpleNamespace(CDLL=lambda name: None)",
                "globalThis.Deno = {dlopen() { return {}; }};",
            )
        }
    )
}

fn environment() -> Mutant {
    swap_sandbox!(
        "passes-the-environment",
        "SBX-007",
        "code sees an environment variable of the host",
        fn job(&self, job: Job) -> Job {
            prefixed(
                job,
                "import os\nos.environ['HOME'] = '/root'",
                "globalThis.process = {env: {HOME: '/root'}, argv: []};",
            )
        }
    )
}

/// Runs that end otherwise than they do.
pub(super) trait Retold: Send + Sync {
    /// What is told of a run.
    fn retold(&self, job: &Job, finished: Finished) -> Finished;
}

/// A runtime that tells of runs what [`Retold`] makes of them.
struct Retelling<R>(Arc<R>);

impl<R: Retold + 'static> SandboxParts for Retelling<R> {
    fn submit(&self, sandbox: &Sandbox, key: &QueueKey, job: Job, done: Done) {
        let retold = Arc::clone(&self.0);
        let seen = job.clone();
        let told = move |finished| done(retold.retold(&seen, finished));
        sandbox.submit(key, job, told);
    }
}

impl<R: Retold + 'static> Parts for Retelling<R> {
    fn sandbox(&self) -> &dyn SandboxParts {
        self
    }
}

/// A mutant that tells something else of runs.
pub(super) fn retelling<R: Retold + 'static>(
    name: &'static str,
    requirement: &'static str,
    behaviour: &'static str,
    retold: R,
) -> Mutant {
    Mutant::part(name, requirement, behaviour, Retelling(Arc::new(retold)))
}

struct OneVariable;

impl Retold for OneVariable {
    fn retold(&self, job: &Job, mut finished: Finished) -> Finished {
        // A module cannot be given a variable here, so what it would have counted is told.
        if job.program.code.contains("environ_sizes_get") && finished.outcome.is_ok() {
            finished.outcome = Ok(json!(1));
        }
        finished
    }
}

fn wasi_environment() -> Mutant {
    retelling(
        "passes-the-environment-to-modules",
        "SBX-007",
        "WASI tells a module of one environment variable",
        OneVariable,
    )
}

fn other_folder() -> Mutant {
    swap_sandbox!(
        "works-in-another-folder",
        "SBX-008",
        "the working directory is not the one that is reachable as /tmp",
        fn job(&self, job: Job) -> Job {
            prefixed(
                job,
                "import os as _os\n_os.mkdir('/tmp/work')\n_os.chdir('/tmp/work')",
                "",
            )
        }
    )
}

fn writes_anywhere() -> Mutant {
    swap_sandbox!(
        "writes-anywhere",
        "SBX-008",
        "code can write files outside its temporary directory",
        fn job(&self, job: Job) -> Job {
            prefixed(
                job,
                "import builtins as _b, io as _io\n_open = _b.open\n_b.open = lambda path, mode='r', *rest, **more: _io.StringIO() if str(path).startswith('/var/') else _open(path, mode, *rest, **more)",
                "",
            )
        }
    )
}

/// Whether a run was there before.
struct Leftovers(Mutex<bool>);

impl SandboxParts for Leftovers {
    fn job(&self, job: Job) -> Job {
        if std::mem::replace(&mut *held(&self.0), true) {
            return prefixed(job, "open('/tmp/left-by-another.txt', 'w').close()", "");
        }
        job
    }
}

impl Parts for Leftovers {
    fn sandbox(&self) -> &dyn SandboxParts {
        self
    }
}

fn leftovers() -> Mutant {
    Mutant::part(
        "keeps-files",
        "SBX-009",
        "a file that one run left is there in the next",
        Leftovers(Mutex::new(false)),
    )
}

fn outside() -> Mutant {
    swap_sandbox!(
        "follows-dot-dot",
        "SBX-010",
        "`..` leads out of the temporary directory",
        fn job(&self, job: Job) -> Job {
            prefixed(
                job,
                "import os as _os\n_list = _os.listdir\n_os.listdir = lambda path='.': ['etc', 'tmp'] if path == '..' else _list(path)",
                "",
            )
        }
    )
}

fn links() -> Mutant {
    swap_sandbox!(
        "follows-symbolic-links-out",
        "SBX-010",
        "a symbolic link leads out of the temporary directory",
        fn job(&self, job: Job) -> Job {
            prefixed(
                job,
                "import os as _os\n_list = _os.listdir\n_os.listdir = lambda path='.': ['passwd'] if path == 'link' else _list(path)",
                "",
            )
        }
    )
}

fn file_bytes() -> Mutant {
    swap_sandbox!(
        "files-of-any-size",
        "SBX-011",
        "files of a run may hold as much as they like",
        fn job(&self, mut job: Job) -> Job {
            job.limits.file_bytes = 1 << 30;
            job
        }
    )
}

fn files() -> Mutant {
    swap_sandbox!(
        "any-number-of-files",
        "SBX-011",
        "a run may make as many files as it likes",
        fn job(&self, mut job: Job) -> Job {
            job.limits.files = 1 << 20;
            job
        }
    )
}

/// How often each code was run.
struct Kept(Mutex<BTreeMap<String, u64>>);

impl Retold for Kept {
    fn retold(&self, job: &Job, mut finished: Finished) -> Finished {
        let mut runs = held(&self.0);
        let count = runs.entry(job.program.code.to_string()).or_default();
        *count += 1;
        // A counter in a global that outlives its run.
        if finished.outcome == Ok(Value::from(1)) {
            finished.outcome = Ok(Value::from(*count));
        }
        finished
    }
}

fn memory() -> Mutant {
    retelling(
        "keeps-globals",
        "SBX-012",
        "globals have the values that the run before left in them",
        Kept(Mutex::new(BTreeMap::new())),
    )
}
