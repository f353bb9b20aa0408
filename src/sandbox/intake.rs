//! What of a stranger's module is looked at before anything is compiled: its size, its kind, what it imports and how long
//! compiling it can take.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use wasmparser::{
    FuncValidatorAllocations, FunctionBody, Parser, Payload, TypeRef, ValidPayload, Validator,
    WasmFeatures,
};

use super::engine::{MOST_MEMORY, TABLE_ELEMENTS};
use super::job::{Failure, FailureCode};
use super::{effort, wasi};

/// Largest binary module, in bytes (SBX 3.9).
pub(super) const MOST_BYTES: usize = 16 * 1024 * 1024;

/// Most bytes of code in all functions; the rest of a module may be data.
const MOST_CODE: usize = 4 * 1024 * 1024;

/// Most bytes of code in one function; the main loop of an interpreter has about 50 KiB.
const MOST_FUNCTION: usize = 96 * 1024;

/// Most variables of one function.
const MOST_LOCALS: u32 = 5_000;

/// Most entries of all branch tables of one function; the largest `switch` of an interpreter has some hundred.
const MOST_ENTRIES: u64 = 10_000;

/// Most parameters, and most results, of one function or block.
const MOST_PARAMETERS: usize = 100;
const MOST_RESULTS: usize = 8;

/// Most functions.
const MOST_FUNCTIONS: u32 = 20_000;

/// Most effort of compiling all of it, in units of [`effort::guess`].
pub(super) const MOST_EFFORT: u64 = 8_000_000;

/// Most effort for what [`effort::Guess::knots`] counts, in all functions: a second of a release, and 128 MiB.
pub(super) const MOST_KNOTS: u64 = 3_000_000;

/// Most of any other thing that a section lists: types, imports, exports, globals, segments.
const MOST_ITEMS: u32 = 10_000;

/// What compilers emit by default: the second version of WebAssembly and constant arithmetic in initialisers.
const FEATURES: WasmFeatures = WasmFeatures::WASM2
    .union(WasmFeatures::EXTENDED_CONST)
    .difference(WasmFeatures::GC_TYPES);

/// The binary module that `code` stands for, valid, within the bounds and importing nothing but what it is given.
///
/// # Errors
/// What is wrong with it.
pub fn read(code: &str, networked: bool) -> Result<Vec<u8>, Failure> {
    let module = binary(code).map_err(refuse)?;
    check(&module, networked)?;
    Ok(module)
}

fn refuse(message: impl Into<String>) -> Failure {
    Failure::new(FailureCode::Error, message)
}

/// The bytes behind base64 or WAT.
fn binary(code: &str) -> Result<Vec<u8>, String> {
    let too_large = || format!("the module has more than {MOST_BYTES} bytes; make it smaller");
    let module = if is_text(code) {
        // Text is longer than what it stands for; the document it came in has a bound of its own.
        if code.len() > MOST_BYTES {
            return Err(too_large());
        }
        wat::parse_str(code).map_err(|error| {
            let error = error.to_string();
            // The first line says what is wrong, the others draw a picture of the place.
            let what = error.lines().next().unwrap_or_default();
            format!("the WAT text cannot be read: {}", brief(what))
        })?
    } else {
        let digits: Vec<u8> = code.bytes().filter(|b| !b.is_ascii_whitespace()).collect();
        if digits.len() / 4 > MOST_BYTES / 3 + 1 {
            return Err(too_large());
        }
        STANDARD.decode(digits).map_err(|_| {
            "the code is neither WAT that begins with '(module' nor base64 of a module".to_owned()
        })?
    };
    if module.len() > MOST_BYTES {
        return Err(too_large());
    }
    Ok(module)
}

/// Whether it begins with `(module`, after white space and comments.
fn is_text(code: &str) -> bool {
    let mut rest = code.trim_start();
    loop {
        if let Some(comment) = rest.strip_prefix(";;") {
            rest = comment.split_once('\n').map_or("", |(_, behind)| behind);
        } else if let Some(comment) = rest.strip_prefix("(;") {
            let Some(behind) = behind_block(comment) else {
                return false;
            };
            rest = behind;
        } else {
            return rest
                .strip_prefix('(')
                .is_some_and(|inside| inside.trim_start().starts_with("module"));
        }
        rest = rest.trim_start();
    }
}

/// What follows a block comment, which may hold others; `None` when it never ends.
fn behind_block(mut rest: &str) -> Option<&str> {
    let mut open = 1_usize;
    while open > 0 {
        let place = rest.find([';', '('])?;
        let (_, found) = rest.split_at(place);
        rest = if let Some(behind) = found.strip_prefix(";)") {
            open -= 1;
            behind
        } else if let Some(behind) = found.strip_prefix("(;") {
            open += 1;
            behind
        } else {
            found.get(1..)?
        };
    }
    Some(rest)
}

/// Walks through the module once, section by section and function by function.
fn check(module: &[u8], networked: bool) -> Result<(), Failure> {
    if !Parser::is_core_wasm(module) {
        return Err(refuse(if Parser::is_component(module) {
            "the code is a component; give a core module"
        } else {
            "the code is not a WebAssembly module: it does not begin with '\\0asm' and version 1"
        }));
    }
    let invalid = |error: wasmparser::BinaryReaderError| {
        refuse(format!(
            "the module does not validate: {}",
            brief(error.message())
        ))
    };
    let mut validator = Validator::new_with_features(FEATURES);
    let mut allocations = FuncValidatorAllocations::default();
    let (mut code, mut work, mut knots) = (0_usize, 0_u64, 0_u64);
    let mut parser = Parser::new(0);
    parser.set_features(FEATURES);
    for payload in parser.parse_all(module) {
        let payload = payload.map_err(invalid)?;
        // Counted before the validator makes something of each.
        count(&payload)?;
        if let Payload::CodeSectionEntry(body) = &payload {
            code = code.saturating_add(body.as_bytes().len());
            if code > MOST_CODE {
                return Err(refuse(format!(
                    "the module has more than {MOST_CODE} bytes of code; make it smaller"
                )));
            }
            function(body)?;
            let guess = effort::guess(body, MOST_PARAMETERS).map_err(invalid)?;
            if guess.entries > MOST_ENTRIES {
                return Err(refuse(format!(
                    "the branch tables of a function have {} entries; at most {MOST_ENTRIES} are allowed",
                    guess.entries
                )));
            }
            work = work.saturating_add(guess.units);
            knots = knots.saturating_add(guess.knots);
            if work > MOST_EFFORT || knots > MOST_KNOTS {
                return Err(refuse(
                    "compiling the module would take too long; make it smaller, or its functions simpler",
                ));
            }
        }
        if let ValidPayload::Func(function, body) = validator.payload(&payload).map_err(invalid)? {
            let mut function = function.into_validator(std::mem::take(&mut allocations));
            function.validate(&body).map_err(invalid)?;
            allocations = function.into_allocations();
        }
        contents(&payload, networked)?;
    }
    Ok(())
}

fn count(payload: &Payload<'_>) -> Result<(), Failure> {
    let (many, most, what) = match payload {
        Payload::TypeSection(section) => (section.count(), MOST_ITEMS, "types"),
        Payload::ImportSection(section) => (section.count(), MOST_ITEMS, "imports"),
        Payload::FunctionSection(section) => (section.count(), MOST_FUNCTIONS, "functions"),
        Payload::GlobalSection(section) => (section.count(), MOST_ITEMS, "globals"),
        Payload::ExportSection(section) => (section.count(), MOST_ITEMS, "exports"),
        Payload::ElementSection(section) => (section.count(), MOST_ITEMS, "element segments"),
        Payload::DataSection(section) => (section.count(), MOST_ITEMS, "data segments"),
        _ => return Ok(()),
    };
    if many > most {
        return Err(refuse(format!(
            "the module has {many} {what}; at most {most} are allowed"
        )));
    }
    Ok(())
}

fn function(body: &FunctionBody<'_>) -> Result<(), Failure> {
    let bytes = body.as_bytes().len();
    if bytes > MOST_FUNCTION {
        return Err(refuse(format!(
            "a function has {bytes} bytes of code; at most {MOST_FUNCTION} are allowed"
        )));
    }
    let mut locals = 0_u32;
    // What cannot be read is for the validator to say.
    for group in body.get_locals_reader().into_iter().flatten().flatten() {
        locals = locals.saturating_add(group.0);
    }
    if locals > MOST_LOCALS {
        return Err(refuse(format!(
            "a function has {locals} variables; at most {MOST_LOCALS} are allowed"
        )));
    }
    Ok(())
}

/// Checks what the valid section asks for.
fn contents(payload: &Payload<'_>, networked: bool) -> Result<(), Failure> {
    let invalid = |error: wasmparser::BinaryReaderError| refuse(error.message().to_owned());
    match payload {
        Payload::TypeSection(section) => {
            for function in section.clone().into_iter_err_on_gc_types() {
                let function = function.map_err(invalid)?;
                if function.params().len() > MOST_PARAMETERS
                    || function.results().len() > MOST_RESULTS
                {
                    return Err(refuse(format!(
                        "a function or block has more than {MOST_PARAMETERS} parameters or {MOST_RESULTS} results"
                    )));
                }
            }
        }
        Payload::ImportSection(section) => {
            for import in section.clone().into_imports() {
                let import = import.map_err(invalid)?;
                given(import.module, import.name, import.ty, networked).map_err(refuse)?;
            }
        }
        Payload::MemorySection(section) => {
            for memory in section.clone() {
                let pages = memory.map_err(invalid)?.initial;
                if pages.saturating_mul(65_536) > MOST_MEMORY as u64 {
                    return Err(Failure::new(
                        FailureCode::MemoryLimit,
                        format!(
                            "the module begins with {pages} pages of memory, more than it may have"
                        ),
                    ));
                }
            }
        }
        Payload::TableSection(section) => {
            if section.count() > super::engine::TABLES {
                return Err(refuse(format!(
                    "the module has {} tables; at most {} are allowed",
                    section.count(),
                    super::engine::TABLES
                )));
            }
            for table in section.clone() {
                let elements = table.map_err(invalid)?.ty.initial;
                if elements > TABLE_ELEMENTS as u64 {
                    return Err(refuse(format!(
                        "a table begins with {elements} elements; at most {TABLE_ELEMENTS} are allowed"
                    )));
                }
            }
        }
        _ => {}
    }
    Ok(())
}

/// Whether a module is given what it imports; the types are compared when it is linked.
fn given(module: &str, name: &str, kind: TypeRef, networked: bool) -> Result<(), String> {
    let (module_shown, name_shown) = (brief(module), brief(name));
    if !matches!(kind, TypeRef::Func(_)) {
        return Err(format!(
            "the module imports {module_shown}.{name_shown}, which is no function; only functions are given"
        ));
    }
    if module == "wasi_snapshot_preview1" && wasi::FUNCTIONS.contains(&name) {
        return Ok(());
    }
    if module == "oap" && name == "http" {
        return if networked {
            Ok(())
        } else {
            Err("the module imports oap.http, but no network is granted".to_owned())
        };
    }
    Err(format!(
        "the module imports {module_shown}.{name_shown}; only the functions of wasi_snapshot_preview1, and oap.http with a granted network, are given"
    ))
}

/// As much of a stranger's text as fits into a message, on one line.
pub(super) fn brief(text: &str) -> String {
    const MOST: usize = 160;
    let mut short: String = text
        .chars()
        .take(MOST)
        .map(|c| if c.is_control() { ' ' } else { c })
        .collect();
    if text.chars().nth(MOST).is_some() {
        short.push('…');
    }
    short
}

#[cfg(test)]
mod tests;
