//! Which files are rewritten: those that are part of the product, not of its tests.

use std::collections::BTreeSet;
use std::path::Path;

use syn::{Attribute, Item};

/// The files below `paths`, in order, without the modules that only tests see.
pub fn sources(root: &Path, paths: &[String]) -> Result<Vec<String>, String> {
    let mut all = BTreeSet::new();
    for path in paths {
        collect(root, path.trim_end_matches('/'), &mut all)?;
    }
    let mut for_tests = Vec::new();
    for path in &all {
        let text =
            std::fs::read_to_string(root.join(path)).map_err(|error| format!("{path}: {error}"))?;
        let file = syn::parse_file(&text).map_err(|error| format!("{path}: {error}"))?;
        let folder = children(path);
        for item in &file.items {
            if let Item::Mod(module) = item
                && module.content.is_none()
                && is_for_tests(&module.attrs)
            {
                for_tests.push(format!("{folder}/{}", module.ident));
            }
        }
    }
    all.retain(|path| {
        !for_tests.iter().any(|module| {
            *path == format!("{module}.rs") || path.starts_with(&format!("{module}/"))
        })
    });
    if all.is_empty() {
        return Err("there is no source file below the paths".to_owned());
    }
    Ok(all.into_iter().collect())
}

/// Whether an item is compiled for tests only.
pub fn is_for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        if attribute.path().is_ident("cfg") {
            attribute
                .parse_args::<syn::Path>()
                .is_ok_and(|what| what.is_ident("test"))
        } else {
            attribute
                .path()
                .segments
                .last()
                .is_some_and(|last| last.ident == "test")
        }
    })
}

fn collect(root: &Path, path: &str, all: &mut BTreeSet<String>) -> Result<(), String> {
    let whole = root.join(path);
    if whole.is_dir() {
        let entries = std::fs::read_dir(&whole).map_err(|error| format!("{path}: {error}"))?;
        for entry in entries {
            let name = entry
                .map_err(|error| format!("{path}: {error}"))?
                .file_name();
            collect(root, &format!("{path}/{}", name.to_string_lossy()), all)?;
        }
    } else if path.ends_with(".rs") {
        all.insert(path.to_owned());
    }
    Ok(())
}

/// The folder in which the modules of a file lie.
fn children(path: &str) -> &str {
    path.strip_suffix("/mod.rs")
        .or_else(|| path.strip_suffix(".rs"))
        .unwrap_or(path)
}
