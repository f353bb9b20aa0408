//! What the code of `run_code` surely wants, as far as its text tells.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use serde_json::Value;

use crate::lint::Edit;
use crate::lint::rule::Found;
use crate::lint::subject::{Part, Subject};

/// A language of source text.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Language {
    Python,
    JavaScript,
}

/// Code of an action.
struct Source<'v> {
    action: Part<'v>,
    code: &'v str,
    language: Language,
}

/// What Python code imports to do one kind of thing, and what code writes for it in either language.
struct Doors {
    modules: &'static [&'static str],
    python: &'static [&'static str],
    javascript: &'static [&'static str],
}

const ENVIRONMENT: Doors = Doors {
    modules: &["dotenv"],
    python: &["os.environ", "os.environb", "os.getenv", "sys.argv"],
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
                language,
            })
        })
        .collect()
}

fn is_of_a_name(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte == b'$' || byte >= 0x80
}

/// Where a name stands by itself in a text, and not as a part of another one or as a member of something.
fn position(line: &str, name: &str) -> Option<usize> {
    let bytes = line.as_bytes();
    let found = line.match_indices(name).map(|(at, _)| at);
    let mut alone = found.filter(|&at| {
        let before = at.checked_sub(1).and_then(|before| bytes.get(before));
        let after = bytes.get(at + name.len());
        before.is_none_or(|byte| !is_of_a_name(*byte) && *byte != b'.')
            && after.is_none_or(|byte| !is_of_a_name(*byte))
    });
    alone.next()
}

/// The lines of code with the byte at which each begins, cut before a comment that takes the rest of the line.
fn lines(source: &Source<'_>) -> Vec<(usize, String)> {
    let mut start = 0;
    let mut lines = Vec::new();
    let mut in_comment = false;
    for line in source.code.split_inclusive('\n') {
        let kept = match source.language {
            Language::Python => line.split('#').next().unwrap_or_default().to_owned(),
            Language::JavaScript => {
                let trimmed = line.trim_start();
                let whole = in_comment || trimmed.starts_with("/*");
                if whole {
                    in_comment = !line.contains("*/");
                }
                // `//` after a colon is a URL.
                let cut = line
                    .match_indices("//")
                    .find(|(at, _)| !line.get(..*at).is_some_and(|before| before.ends_with(':')));
                let text = cut.map_or(line, |(at, _)| line.get(..at).unwrap_or_default());
                if whole {
                    String::new()
                } else {
                    text.to_owned()
                }
            }
        };
        lines.push((start, kept));
        start += line.len();
    }
    lines
}

/// The modules that a line of Python imports, with their places in it.
fn imported(line: &str) -> Vec<(usize, &str)> {
    let trimmed = line.trim_start();
    let indent = line.len() - trimmed.len();
    if let Some(rest) = trimmed.strip_prefix("from ") {
        let module = rest.split_whitespace().next().unwrap_or_default();
        return if rest.contains(" import ") {
            vec![(indent + 5, module)]
        } else {
            Vec::new()
        };
    }
    let Some(rest) = trimmed.strip_prefix("import ") else {
        return Vec::new();
    };
    let mut modules = Vec::new();
    let mut at = indent + 7;
    for part in rest.split(',') {
        let blanks = part.len() - part.trim_start().len();
        let module = part.split_whitespace().next().unwrap_or_default();
        if !module.is_empty() {
            modules.push((at + blanks, module));
        }
        at += part.len() + 1;
    }
    modules
}

/// The first thing in the code that goes through one of the doors: what it is and where it stands.
fn passes(source: &Source<'_>, doors: &Doors) -> Option<(String, usize)> {
    let names = match source.language {
        Language::Python => doors.python,
        Language::JavaScript => doors.javascript,
    };
    for (start, line) in lines(source) {
        if source.language == Language::Python {
            let wanted = imported(&line).into_iter().find(|(_, module)| {
                let under = |door: &str| {
                    *module == door
                        || module
                            .strip_prefix(door)
                            .is_some_and(|rest| rest.starts_with('.'))
                };
                doors.modules.iter().any(|door| under(door))
            });
            if let Some((at, module)) = wanted {
                return Some((module.to_owned(), start + at));
            }
        }
        for name in names {
            // A function of that name in a definition or a comment of the author's is another thing than a call.
            if let Some(at) = position(&line, name)
                && is_used(&line, at, name)
            {
                return Some(((*name).to_owned(), start + at));
            }
        }
    }
    None
}

/// Whether a name is used where it stands, and not defined or quoted.
fn is_used(line: &str, at: usize, name: &str) -> bool {
    let before = line.get(..at).unwrap_or_default();
    let after = line.get(at + name.len()..).unwrap_or_default().trim_start();
    let defined = ["def ", "function ", "class "]
        .iter()
        .any(|word| before.ends_with(word));
    let quotes = |quote: char| before.matches(quote).count() % 2 == 1;
    let called =
        after.starts_with(['(', '[', '.']) || name.contains(['.', ' ']) || name.contains('_');
    !defined && called && (!quotes('"') && !quotes('\'') || before.contains("require("))
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
        for (start, line) in lines(&source) {
            for (at, module) in imported(&line) {
                if !known(module) {
                    let message = format!(
                        "not every runtime has '{module}'; only {} are promised",
                        PROMISED.join(", ")
                    );
                    tell(&source, module, start + at, message, found);
                }
            }
        }
    }
}

pub(super) fn modules(subject: &Subject<'_>, found: &mut Found<'_>) {
    for source in sources(subject) {
        if source.language != Language::JavaScript {
            continue;
        }
        for (start, line) in lines(&source) {
            let indent = line.len() - line.trim_start().len();
            let begins = ["import ", "export "]
                .into_iter()
                .find(|word| line.trim_start().starts_with(word));
            let hit = match begins {
                Some(word) => Some((word.trim_end(), indent)),
                None => position(&line, "require")
                    .filter(|at| is_used(&line, *at, "require"))
                    .map(|at| ("require", at)),
            };
            if let Some((what, at)) = hit {
                let message = format!(
                    "'{what}' is of modules, and the code is a classic script with nothing to import; declare a global function and write out what it needs"
                );
                tell(&source, what, start + at, message, found);
                break;
            }
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
    source.code.lines().filter_map(of_line).collect()
}

pub(super) fn entrypoints(subject: &Subject<'_>, found: &mut Found<'_>) {
    for source in sources(subject) {
        let action = &source.action;
        let wanted = action.text("entrypoint").unwrap_or("generate");
        if position(source.code, wanted).is_some() {
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
