//! Where descriptors and code come from.

use std::fmt;
use std::fs::File;
use std::io::Read;
use std::path::{Path, PathBuf};

use crate::embedded;

/// Where the embedded plugins are, in the repository.
const EMBEDDED: &str = "fixtures/plugins/";

/// The operator's plugins folder.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum PluginFolder {
    /// There is none.
    #[default]
    None,
    /// The test plugins that the binary carries (`spec/harness.md`, section 8).
    Embedded,
    /// A folder of the file system.
    Directory(PathBuf),
}

impl PluginFolder {
    /// The descriptors: the files directly in the folder that end in `.json`, by name.
    ///
    /// # Errors
    /// What is wrong, when the folder cannot be listed.
    pub(super) fn descriptors(&self) -> Result<Vec<String>, String> {
        let mut names = match self {
            PluginFolder::None => Vec::new(),
            PluginFolder::Embedded => embedded::list(EMBEDDED)
                .into_iter()
                .filter_map(|path| path.strip_prefix(EMBEDDED).map(str::to_owned))
                .filter(|name| !name.contains('/'))
                .collect(),
            PluginFolder::Directory(folder) => list(folder)?,
        };
        names.retain(|name| name.ends_with(".json"));
        names.sort_unstable();
        Ok(names)
    }

    /// One file of the folder, at most `most` bytes; `name` may lead into folders below, never out of this one.
    ///
    /// # Errors
    /// What is wrong, when the name leads out, or the file is not there, no file, or too large.
    pub(super) fn read(&self, name: &str, most: usize) -> Result<Vec<u8>, String> {
        if !stays_inside(name) {
            return Err(
                "name a file inside the plugins folder, such as \"code/send.json\"".to_owned(),
            );
        }
        match self {
            PluginFolder::None => Err("there is no plugins folder".to_owned()),
            PluginFolder::Embedded => embedded::text(&format!("{EMBEDDED}{name}"))
                .map(|text| text.into_owned().into_bytes())
                .ok_or_else(|| "there is no such file".to_owned()),
            PluginFolder::Directory(folder) => read_within(folder, name, most),
        }
    }
}

impl fmt::Display for PluginFolder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            PluginFolder::None => f.write_str("no plugins folder"),
            PluginFolder::Embedded => f.write_str("the embedded plugins"),
            PluginFolder::Directory(folder) => write!(f, "{}", folder.display()),
        }
    }
}

/// Whether a name is made of plain parts: nothing that leads up, is hidden, or means something to a file system.
pub(super) fn stays_inside(name: &str) -> bool {
    let plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    let part = |part: &str| !part.is_empty() && !part.starts_with('.') && part.bytes().all(plain);
    name.len() <= 256 && name.split('/').all(part)
}

fn list(folder: &Path) -> Result<Vec<String>, String> {
    let entries = std::fs::read_dir(folder).map_err(|error| error.to_string())?;
    let mut names = Vec::new();
    for entry in entries {
        let entry = entry.map_err(|error| error.to_string())?;
        let is_file = std::fs::metadata(entry.path()).is_ok_and(|entry| entry.is_file());
        match entry.file_name().into_string() {
            Ok(name) if is_file && !name.starts_with('.') => names.push(name),
            _ => {}
        }
    }
    Ok(names)
}

fn read_within(folder: &Path, name: &str, most: usize) -> Result<Vec<u8>, String> {
    let told = |error: std::io::Error| error.to_string();
    let folder = folder.canonicalize().map_err(told)?;
    let path = folder.join(name).canonicalize().map_err(told)?;
    // A link may lead anywhere; what it leads to has to be inside.
    if !path.starts_with(&folder) {
        return Err("the file is outside the plugins folder".to_owned());
    }
    if !std::fs::metadata(&path).map_err(told)?.is_file() {
        return Err("this is not a file".to_owned());
    }
    let mut bytes = Vec::new();
    File::open(path)
        .and_then(|file| file.take(most as u64 + 1).read_to_end(&mut bytes))
        .map_err(told)?;
    if bytes.len() > most {
        return Err(format!("the file is larger than {most} bytes"));
    }
    Ok(bytes)
}
