//! The calling convention: JSON text in, JSON text out, through the memory of the module (`spec/sandbox.md`, section 6).
//!
//! Whatever a module returns is a stranger's word: every pointer and every length is checked before it is used.

use std::fmt;

use wasmtime::{Caller, Extern, Instance, Memory, Store, TypedFunc};

use super::host::Host;

/// The export through which text gets memory inside the module.
const ALLOC: &str = "oap_alloc";

/// The export that is the memory itself.
const MEMORY: &str = "memory";

/// Why a call gave no text.
pub(super) enum Broken {
    /// The code trapped, or was ended from outside.
    Trapped(wasmtime::Error),
    /// The module does not keep to the convention.
    Convention(String),
    /// The text is too long.
    TooLong,
}

impl From<wasmtime::Error> for Broken {
    fn from(error: wasmtime::Error) -> Self {
        Self::Trapped(error)
    }
}

/// A breach of the convention inside a call of ours, passed through the module as a trap.
#[derive(Debug)]
pub(super) struct Misuse(pub(super) &'static str);

impl fmt::Display for Misuse {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }
}

impl std::error::Error for Misuse {}

/// Calls `entry` with a text and gives the text that it answers with, at most `longest` bytes.
///
/// # Errors
/// [`Broken`].
pub(super) fn call(
    store: &mut Store<Host>,
    instance: &Instance,
    entry: &str,
    input: &[u8],
    longest: usize,
) -> Result<Vec<u8>, Broken> {
    let memory = instance.get_memory(&mut *store, MEMORY).ok_or_else(|| {
        Broken::Convention(format!("the module exports no memory named `{MEMORY}`"))
    })?;
    let alloc: TypedFunc<i32, i32> = function(
        store,
        instance,
        ALLOC,
        "it must take an i32 and return an i32",
    )?;
    let entry: TypedFunc<(i32, i32), i64> = function(
        store,
        instance,
        entry,
        "it must take two i32 and return an i64",
    )?;

    let len = i32::try_from(input.len())
        .map_err(|_| Broken::Convention("the arguments are too long".to_owned()))?;
    let at = alloc.call(&mut *store, len)?;
    if at == 0 && store.data().meter.refused() {
        // The module's own "there is none left".
        return Err(Broken::Convention(format!("`{ALLOC}` has no memory left")));
    }
    memory
        .write(&mut *store, address(at), input)
        .map_err(|_| Broken::Convention(format!("`{ALLOC}` returned memory that is not there")))?;

    let packed = entry.call(&mut *store, (at, len))?;
    let (at, len) = unpack(packed);
    let text = slice(&memory, store, at, len).ok_or_else(|| {
        Broken::Convention("the result lies outside the memory of the module".to_owned())
    })?;
    if len > longest {
        return Err(Broken::TooLong);
    }
    Ok(text.to_vec())
}

/// Whether the module has to be set up first, as reactors of WASI have; does so.
///
/// # Errors
/// [`Broken`].
pub(super) fn initialize(store: &mut Store<Host>, instance: &Instance) -> Result<(), Broken> {
    let Some(function) = instance.get_func(&mut *store, "_initialize") else {
        return Ok(());
    };
    // One of another type is not what WASI means.
    if let Ok(function) = function.typed::<(), ()>(&*store) {
        function.call(&mut *store, ())?;
    }
    Ok(())
}

/// A text in the memory of the module that is calling us.
///
/// # Errors
/// [`Misuse`] when there is no such memory.
pub(super) fn read<'c>(
    caller: &'c mut Caller<'_, Host>,
    at: i32,
    len: i32,
) -> Result<&'c [u8], Misuse> {
    let memory = memory_of(caller)?;
    let (at, len) = (address(at), address(len));
    at.checked_add(len)
        .and_then(|end| memory.data(&*caller).get(at..end))
        .ok_or(Misuse(
            "the code gave memory to `oap.http` that is not there",
        ))
}

/// Gives a text to the module that is calling us, in memory of its `oap_alloc`.
///
/// # Errors
/// When `oap_alloc` fails, or breaks the convention.
pub(super) fn give(caller: &mut Caller<'_, Host>, text: &[u8]) -> wasmtime::Result<i64> {
    let alloc = match caller.get_export(ALLOC) {
        Some(Extern::Func(alloc)) => alloc.typed::<i32, i32>(&*caller)?,
        _ => return Err(Misuse("the module exports no function `oap_alloc`").into()),
    };
    let len =
        i32::try_from(text.len()).map_err(|_| Misuse("the reply to `oap.http` is too long"))?;
    let at = alloc.call(&mut *caller, len)?;
    if at == 0 && caller.data().meter.refused() {
        return Err(Misuse("`oap_alloc` has no memory left").into());
    }
    let memory = memory_of(caller)?;
    memory
        .write(&mut *caller, address(at), text)
        .map_err(|_| Misuse("`oap_alloc` returned memory that is not there"))?;
    Ok((i64::from(at) << 32) | i64::from(len))
}

fn memory_of(caller: &mut Caller<'_, Host>) -> Result<Memory, Misuse> {
    caller
        .get_export(MEMORY)
        .and_then(Extern::into_memory)
        .ok_or(Misuse("the module exports no memory named `memory`"))
}

fn function<P, R>(
    store: &mut Store<Host>,
    instance: &Instance,
    name: &str,
    shape: &str,
) -> Result<TypedFunc<P, R>, Broken>
where
    P: wasmtime::WasmParams,
    R: wasmtime::WasmResults,
{
    let function = instance
        .get_func(&mut *store, name)
        .ok_or_else(|| Broken::Convention(format!("the module exports no function `{name}`")))?;
    function
        .typed(&*store)
        .map_err(|_| Broken::Convention(format!("`{name}` has another type; {shape}")))
}

/// A pointer or a length of 32 bits; they have no sign.
fn address(value: i32) -> usize {
    // `usize` has 64 bits wherever Wasmtime compiles code.
    usize::try_from(value.cast_unsigned()).unwrap_or(usize::MAX)
}

/// Pointer and length of a result.
fn unpack(packed: i64) -> (usize, usize) {
    let packed = packed.cast_unsigned();
    let half = |bits: u64| usize::try_from(bits & 0xffff_ffff).unwrap_or(usize::MAX);
    (half(packed >> 32), half(packed))
}

fn slice<'s>(memory: &Memory, store: &'s Store<Host>, at: usize, len: usize) -> Option<&'s [u8]> {
    memory.data(store).get(at..at.checked_add(len)?)
}
