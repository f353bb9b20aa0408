//! Machine code that was made earlier, and the one place of the crate that must vouch for something the compiler cannot check.
//!
//! Wasmtime maps such bytes executable and runs them: whoever writes them is this process. A [`Precompiled`] comes from two
//! places only, the compiler in this process and a file that [`super::cache`] has checked, so that no other caller can reach
//! the unsafe line with bytes of another origin.

#![allow(
    unsafe_code,
    reason = "loading machine code cannot be checked; the type below admits only bytes that this user's own process wrote"
)]

use wasmtime::{Engine, Module};

use super::cache::Checked;

/// Machine code of one module, as the compiler of this user's own process wrote it.
pub(super) struct Precompiled(Origin);

enum Origin {
    Compiler(Vec<u8>),
    File(Checked),
}

impl Precompiled {
    /// Compiles a binary module.
    ///
    /// # Errors
    /// When the module does not validate, or the compiler gives up.
    pub(super) fn compile(compiler: &Engine, module: &[u8]) -> wasmtime::Result<Self> {
        compiler
            .precompile_module(module)
            .map(|code| Self(Origin::Compiler(code)))
    }

    /// What was read from a file that this user's process wrote.
    pub(super) fn from_file(file: Checked) -> Self {
        Self(Origin::File(file))
    }

    /// The bytes, to be kept in a file.
    pub(super) fn bytes(&self) -> &[u8] {
        match &self.0 {
            Origin::Compiler(code) => code,
            Origin::File(file) => file.bytes(),
        }
    }

    /// The module, ready to be instantiated. The bytes are copied; nothing refers to a file afterwards.
    ///
    /// # Errors
    /// When an engine with another configuration, version or processor made the code.
    pub(super) fn load(&self, engine: &Engine) -> wasmtime::Result<Module> {
        // SAFETY: the bytes are those that `Engine::precompile_module` gave, here or in an earlier process of the same user:
        // `Checked` is made only from a regular file that this user owns and nobody else may write, in a folder that nobody
        // else may enter, whose content has the digest that was written with it. They lie in memory that only this process
        // can change. Wasmtime itself refuses those of another version, configuration or processor.
        unsafe { Module::deserialize(engine, self.bytes()) }
    }
}
