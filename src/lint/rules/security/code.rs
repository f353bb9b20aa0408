//! What the code of `run_code` surely wants, as far as its text tells.

mod bindings;
mod names;
mod text;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::lint::Edit;
use crate::lint::rule::Found;
use crate::lint::subject::{Part, Subject};

use bindings::{binds, is_method};
use names::{Import, aliased, global, imports as imported, is_global, positions, taken_out};
use text::{Cleaned, cleaned};

/// A language of source text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    JavaScript,
}

/// Code of an action.
struct Source<'v> {
    action: Part<'v>,
    code: &'v str,
    text: Cleaned,
    language: Language,
}

/// What code imports to do one kind of thing, and what it writes for it in either language.
struct Doors {
    modules: &'static [&'static str],
    python: &'static [&'static str],
    /// Modules of JavaScript, without the `node:` that may stand before them.
    packages: &'static [&'static str],
    javascript: &'static [&'static str],
}

const ENVIRONMENT: Doors = Doors {
    modules: &["dotenv"],
    python: &["os.environ", "os.environb", "os.getenv", "sys.argv"],
    packages: &["dotenv"],
    javascript: &["process.env", "process.argv", "Deno.env", "Bun.env"],
};

const NETWORK: Doors = Doors {
    modules: &[
        "requests",
        "httpx",
        "aiohttp",
        "urllib.request",
        "urllib3",
        "http.client",
        "socket",
        "ftplib",
        "smtplib",
        "websockets",
        "telnetlib",
    ],
    python: &["urllib.request.urlopen"],
    packages: &[
        "http",
        "https",
        "http2",
        "net",
        "tls",
        "dgram",
        "undici",
        "node-fetch",
        "axios",
        "got",
        "ws",
    ],
    javascript: &[
        "fetch",
        "XMLHttpRequest",
        "WebSocket",
        "EventSource",
        "axios",
    ],
};

const PROCESSES: Doors = Doors {
    modules: &[
        "subprocess",
        "multiprocessing",
        "threading",
        "_thread",
        "ctypes",
        "concurrent.futures",
    ],
    python: &[
        "os.system",
        "os.popen",
        "os.fork",
        "os.execv",
        "os.execve",
        "os.execvp",
        "os.spawnl",
        "os.spawnv",
    ],
    packages: &["child_process", "worker_threads", "cluster"],
    javascript: &[
        "child_process",
        "worker_threads",
        "new Worker",
        "SharedArrayBuffer",
    ],
};

const DYNAMIC: Doors = Doors {
    modules: &[],
    python: &["eval", "exec", "compile", "__import__"],
    packages: &["vm"],
    javascript: &["eval", "new Function"],
};

/// What every runtime that offers Python has to have.
const PROMISED: [&str; 7] = [
    "json", "re", "math", "datetime", "random", "base64", "hashlib",
];

/// Whether an action's code is a module, and no source text.
pub(super) fn is_wasm(action: &Part<'_>) -> bool {
    action.text("runtime") == Some("wasm")
}

fn sources<'v>(subject: &'v Subject<'_>) -> Vec<Source<'v>> {
    let actions = subject.actions().into_iter();
    actions
        .filter_map(|action| {
            let code = action.text("code")?;
            let language = match action.text("runtime")? {
                "javascript" => Language::JavaScript,
                python if python.starts_with("python3") => Language::Python,
                _ => return None,
            };
            Some(Source {
                action,
                code,
                text: cleaned(code, language),
                language,
            })
        })
        .collect()
}

/// The first thing in the code that goes through one of the doors: what it is and where it stands.
fn passes(source: &Source<'_>, doors: &Doors) -> Option<(String, usize)> {
    match source.language {
        Language::Python => through_python(&source.text.bare, doors),
        Language::JavaScript => through_javascript(&source.text, doors),
    }
    .into_iter()
    .min_by_key(|(_, at)| *at)
}

/// The first use of a name in code without comments and texts; of one that is the code's own only where the global one is meant.
fn used(bare: &str, name: &str, is_own: impl FnOnce(&str) -> bool) -> Option<(String, usize)> {
    let mut places = positions(bare, name).filter(|at| is_used(bare, *at, name));
    let first = places.next()?;
    let at = if is_own(object(name)) {
        let mut places = std::iter::once(first).chain(places);
        places.find(|at| is_global(bare.get(..*at).unwrap_or_default()))?
    } else {
        first
    };
    Some((name.to_owned(), at))
}

/// The name that has to be that of the language for a door to be one: `process` of `process.env`, `Worker` of `new Worker`.
fn object(name: &str) -> &str {
    let name = name.strip_prefix("new ").unwrap_or(name);
    name.split('.').next().unwrap_or(name)
}

fn through_python(bare: &str, doors: &Doors) -> Vec<(String, usize)> {
    let imports = imported(bare);
    let is_door = |module: &str| {
        doors.modules.iter().any(|door| {
            module
                .strip_prefix(door)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
        })
    };
    let taken = |import: &Import<'_>| {
        let wanted = import.taken.iter().find(|(_, name)| {
            let whole = format!("{}.{name}", import.module);
            is_door(&whole) || doors.python.contains(&whole.as_str())
        });
        wanted.map(|(at, name)| ((*name).to_owned(), *at))
    };
    let mut found: Vec<_> = imports
        .iter()
        .filter_map(|import| {
            if is_door(import.module) {
                return Some((import.module.to_owned(), import.at));
            }
            taken(import)
        })
        .collect();
    let is_own = |object: &str| {
        let is_language = imports.iter().any(|import| {
            let is_named = import.alias.is_none() && import.taken.is_empty();
            is_named && import.module.split('.').next() == Some(object)
        });
        let is_taken = imports
            .iter()
            .flat_map(|import| &import.taken)
            .any(|(_, taken)| *taken == object);
        !is_language && (is_taken || binds(bare, object, Language::Python))
    };
    for name in doors.python {
        found.extend(used(bare, name, is_own));
        let others = aliased(&imports, name);
        let others = others.iter();
        found.extend(others.filter_map(|other| used(bare, other, |_| false)));
    }
    found
}

fn through_javascript(text: &Cleaned, doors: &Doors) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    let bare = text.bare.as_str();
    let modules: Vec<(usize, &str)> = names::modules(bare, &text.spoken)
        .into_iter()
        .map(|(at, module)| (at, module.strip_prefix("node:").unwrap_or(module)))
        .collect();
    // What is called as its module is that of the language.
    let is_own = |object: &str| {
        modules.iter().all(|(_, module)| *module != object)
            && binds(bare, object, Language::JavaScript)
    };
    for name in doors.javascript {
        found.extend(used(bare, name, is_own));
        found.extend(match name.split_once('.') {
            Some((object, member)) => {
                taken_out(bare, &text.spoken, object, member).filter(|_| !is_own(object))
            }
            None => global(bare, &text.spoken, name),
        });
    }
    let wanted = modules
        .into_iter()
        .find(|(_, module)| doors.packages.contains(module));
    found.extend(wanted.map(|(at, module)| (module.to_owned(), at)));
    found
}

/// Whether a name is used where it stands, and not defined.
fn is_used(bare: &str, at: usize, name: &str) -> bool {
    let before = bare.get(..at).unwrap_or_default();
    let after = bare.get(at + name.len()..).unwrap_or_default();
    let defined = ["def ", "function ", "class "]
        .iter()
        .any(|word| before.ends_with(word));
    let called = after.trim_start().starts_with(['(', '[', '.'])
        || name.contains(['.', ' '])
        || name.contains('_');
    // What is given another name is called by that.
    let renamed = before.trim_end().ends_with('=')
        && !before.trim_end().ends_with("==")
        && (after.trim_start_matches([' ', '\t']).is_empty()
            || after
                .trim_start_matches([' ', '\t'])
                .starts_with([';', '\n', '\r']));
    let global = before.ends_with('.');
    !defined && (called || renamed || global) && !is_method(bare, at, name)
}

fn tell(source: &Source<'_>, what: &str, at: usize, message: String, found: &mut Found<'_>) {
    found
        .at(source.action.pointer_of("code"), message)
        .within(at, at + what.len());
}

pub(super) fn environment(subject: &Subject<'_>, found: &mut Found<'_>) {
    for source in sources(subject) {
        if let Some((what, at)) = passes(&source, &ENVIRONMENT) {
            let message = format!(
                "'{what}' is empty in the sandbox; give the code what it needs as an argument"
            );
            tell(&source, &what, at, message, found);
        }
    }
}

pub(super) fn network(subject: &Subject<'_>, found: &mut Found<'_>) {
    for source in sources(subject) {
        let granted = source
            .action
            .get("network")
            .and_then(Value::as_array)
            .is_some_and(|grants| !grants.is_empty());
        if !granted && let Some((what, at)) = passes(&source, &NETWORK) {
            let message = format!(
                "'{what}' wants the network, and the action has none; let `{}` name host and port, or make it an API action",
                subject.spelled("network")
            );
            tell(&source, &what, at, message, found);
        }
    }
}

pub(super) fn processes(subject: &Subject<'_>, found: &mut Found<'_>) {
    for source in sources(subject) {
        if let Some((what, at)) = passes(&source, &PROCESSES) {
            let message = format!(
                "'{what}' starts processes or threads or loads native code, which the sandbox does not let it; do without"
            );
            tell(&source, &what, at, message, found);
        }
    }
}

pub(super) fn dynamic(subject: &Subject<'_>, found: &mut Found<'_>) {
    for source in sources(subject) {
        if let Some((what, at)) = passes(&source, &DYNAMIC) {
            let message = format!(
                "'{what}' makes code out of text; when the text comes from an argument, the model writes the program: parse it instead"
            );
            tell(&source, &what, at, message, found);
        }
    }
}

pub(super) fn imports(subject: &Subject<'_>, found: &mut Found<'_>) {
    for source in sources(subject) {
        if source.language != Language::Python {
            continue;
        }
        let known = |module: &str| {
            let top = module.split('.').next().unwrap_or_default();
            PROMISED.contains(&top) || top == "__future__"
        };
        for Import { at, module, .. } in imported(&source.text.bare) {
            if !known(module) {
                let message = format!(
                    "not every runtime has '{module}'; only {} are promised",
                    PROMISED.join(", ")
                );
                tell(&source, module, at, message, found);
            }
        }
    }
}

pub(super) fn modules(subject: &Subject<'_>, found: &mut Found<'_>) {
    for source in sources(subject) {
        if source.language != Language::JavaScript {
            continue;
        }
        let bare = source.text.bare.as_str();
        let mut start = 0;
        let mut hits = Vec::new();
        for line in bare.split_inclusive('\n') {
            let trimmed = line.trim_start();
            let indent = line.len() - trimmed.len();
            let begins = ["import", "export"].into_iter().find(|word| {
                let rest = trimmed.strip_prefix(word);
                rest.is_some_and(|rest| rest.starts_with([' ', '\t', '{', '*', '\n', '\r']))
            });
            hits.extend(begins.map(|word| (start + indent, word)));
            start += line.len();
        }
        for word in ["require", "import"] {
            let called = positions(bare, word).find(|at| {
                let rest = bare.get(at + word.len()..).unwrap_or_default();
                rest.trim_start().starts_with('(')
                    && is_used(bare, *at, word)
                    && !binds(bare, word, Language::JavaScript)
            });
            hits.extend(called.map(|at| (at, word)));
        }
        if let Some((at, what)) = hits.into_iter().min() {
            let message = format!(
                "'{what}' is of modules, and the code is a classic script with nothing to import; declare a global function and write out what it needs"
            );
            tell(&source, what, at, message, found);
        }
    }
}

/// The functions that code declares at its outermost level.
fn declared<'v>(source: &Source<'v>) -> Vec<&'v str> {
    let words: &[&str] = match source.language {
        Language::Python => &["def ", "async def "],
        Language::JavaScript => &["function ", "async function "],
    };
    let of_line = |line: &'v str| {
        let rest = words.iter().find_map(|word| line.strip_prefix(word))?;
        let end = rest.find(|c: char| !c.is_ascii_alphanumeric() && c != '_')?;
        rest.get(..end).filter(|name| !name.is_empty())
    };
    let lines = source.text.spoken.lines().zip(source.code.lines());
    lines
        .filter(|(spoken, _)| !spoken.trim().is_empty())
        .filter_map(|(_, line)| of_line(line))
        .collect()
}

pub(super) fn entrypoints(subject: &Subject<'_>, found: &mut Found<'_>) {
    for source in sources(subject) {
        let action = &source.action;
        let wanted = action.text("entrypoint").unwrap_or("generate");
        if positions(&source.text.spoken, wanted).next().is_some() {
            continue;
        }
        let given = action.get("entrypoint").is_some();
        let pointer = if given {
            action.pointer_of("entrypoint")
        } else {
            action.pointer_of("code")
        };
        let message = format!(
            "nothing in the code is called '{wanted}', so every run fails; define that function, or name the one that is there"
        );
        let noted = found.at(pointer.clone(), message);
        if let [only] = declared(&source).as_slice() {
            let value = Value::String((*only).to_owned());
            let step = if given {
                Edit::Replace { pointer, value }
            } else {
                Edit::Insert {
                    pointer: action.pointer.clone(),
                    name: subject.spelled("entrypoint").to_owned(),
                    value,
                }
            };
            noted.fix_unsafe(format!("call '{only}'"), vec![step]);
        }
    }
    for action in subject.actions() {
        let Some(code) = action.text("code").filter(|_| is_wasm(&action)) else {
            continue;
        };
        let wanted = action.text("entrypoint").unwrap_or("generate");
        let named = if code.trim_start().starts_with("(module") {
            code.contains(&format!("\"{wanted}\""))
        } else {
            let Ok(module) = STANDARD.decode(code.trim()) else {
                continue;
            };
            module
                .windows(wanted.len())
                .any(|part| part == wanted.as_bytes())
        };
        if !named {
            let member = if action.get("entrypoint").is_some() {
                "entrypoint"
            } else {
                "code"
            };
            let message = format!(
                "the module exports nothing called '{wanted}', so every run fails; export it, or name what is exported"
            );
            found.at(action.pointer_of(member), message);
        }
    }
}
