//! `${name}` in commands, environments and addresses of a target.

use std::collections::BTreeMap;

/// What can be put in.
pub const NAMES: [&str; 13] = [
    "port",
    "clock_port",
    "folder",
    "manifest",
    "model_url",
    "model_key",
    "model_name",
    "calendar_url",
    "email_url",
    "crm_url",
    "objects_url",
    "otlp_url",
    "run_id",
];

/// Values by name.
pub type Values = BTreeMap<&'static str, String>;

/// Puts values in; `$${name}` is the text `${name}`.
///
/// # Errors
/// When a name is not known, or has no value on this target.
pub fn expand(text: &str, values: &Values) -> Result<String, String> {
    walk(text, |name| {
        values
            .get(name)
            .cloned()
            .ok_or_else(|| format!("${{{name}}} has no value for this target"))
    })
}

/// Whether all names are known.
///
/// # Errors
/// When one is not, with those that are.
pub fn check(text: &str) -> Result<(), String> {
    walk(text, |_| Ok(String::new())).map(|_| ())
}

/// Whether a text asks for a name.
pub fn asks_for(text: &str, wanted: &str) -> bool {
    let mut found = false;
    let _ = walk(text, |name| {
        found |= name == wanted;
        Ok(String::new())
    });
    found
}

fn walk(
    text: &str,
    mut value: impl FnMut(&str) -> Result<String, String>,
) -> Result<String, String> {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once("${") {
        let Some((name, behind)) = after.split_once('}') else {
            return Err(format!("a placeholder in '{text}' is not closed"));
        };
        if let Some(kept) = before.strip_suffix('$') {
            out.push_str(kept);
            out.push_str("${");
            out.push_str(name);
            out.push('}');
        } else {
            if !NAMES.contains(&name) {
                return Err(format!(
                    "there is no placeholder ${{{name}}}; there are {}",
                    NAMES.join(", ")
                ));
            }
            out.push_str(before);
            out.push_str(&value(name)?);
        }
        rest = behind;
    }
    out.push_str(rest);
    Ok(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_put_in() {
        let values = Values::from([("port", "8080".to_owned())]);
        let expanded = |text: &str| expand(text, &values);
        assert_eq!(expanded("--port=${port}!"), Ok("--port=8080!".to_owned()));
        assert_eq!(expanded("$${port} $x"), Ok("${port} $x".to_owned()));
        assert!(expanded("${folder}").is_err_and(|e| e.contains("no value")));
        assert!(expanded("${prot}").is_err_and(|e| e.contains("there are port")));
        assert!(check("${port").is_err() && check("${port}").is_ok());
        assert!(asks_for("a${port}", "port") && !asks_for("$${port}", "port"));
    }
}
