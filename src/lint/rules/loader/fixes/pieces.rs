//! Texts of the model in the form that was meant.

use serde_json::Value;

use crate::manifest::{Root, Scheme, parse_version};

/// The version that a text means: without a `v`, zeros before digits or build metadata, and with three parts.
pub(super) fn version(text: &str) -> Option<String> {
    let plain = text.trim().trim_start_matches(['v', 'V', '=']);
    let plain = plain.split('+').next()?;
    let (release, pre) = match plain.split_once('-') {
        Some((release, pre)) => (release, Some(pre)),
        None => (plain, None),
    };
    let mut parts: Vec<String> = release
        .split('.')
        .map(|part| match part.trim_start_matches('0') {
            "" if !part.is_empty() => "0".to_owned(),
            digits => digits.to_owned(),
        })
        .collect();
    while parts.len() < 3 {
        parts.push("0".to_owned());
    }
    let mut version = parts.join(".");
    if let Some(pre) = pre {
        version.push('-');
        version.push_str(pre);
    }
    parse_version(&version).is_some().then_some(version)
}

/// A rate with the unit in its short form.
pub(super) fn rate(text: &str) -> Option<String> {
    let (count, unit) = text.split_once('/').or_else(|| text.split_once("per"))?;
    let count: u32 = count.trim().parse().ok()?;
    let unit = match unit.trim().to_ascii_lowercase().as_str() {
        "s" | "sec" | "secs" | "second" | "seconds" => "s",
        "m" | "min" | "mins" | "minute" | "minutes" => "min",
        "h" | "hr" | "hrs" | "hour" | "hours" => "hour",
        "d" | "day" | "days" => "day",
        _ => return None,
    };
    (count > 0).then(|| format!("{count}/{unit}"))
}

/// The root that an untidy text means; none where a name would have to be guessed, decoded or climbed over.
pub(super) fn root(text: &str) -> Option<String> {
    let (scheme, rest) = text.trim().split_once(':')?;
    let scheme = Scheme::ALL
        .into_iter()
        .find(|known| known.name().eq_ignore_ascii_case(scheme))?;
    let slashes = rest.len() - rest.trim_start_matches('/').len();
    let rest = match (scheme, slashes) {
        (Scheme::File, 2) => rest.strip_prefix("//localhost/")?,
        (Scheme::File, 0) => return None,
        (Scheme::S3, slashes) if !matches!(slashes, 0 | 2) => return None,
        _ => rest,
    };
    let names = rest.split('/').filter(|name| !matches!(*name, "" | "."));
    let names = names.collect::<Vec<_>>().join("/");
    let plain: Root = format!("{}{names}", scheme.beginning()).parse().ok()?;
    Some(plain.to_string())
}

/// Whether a text is a path written in another way than as a pointer.
pub(super) fn is_no_pointer(text: &str) -> bool {
    !text.is_empty() && !text.starts_with('/')
}

/// The pointer that a path with dots, or one without its first slash, was meant to be.
pub(super) fn pointer(path: &str) -> String {
    let path = path.strip_prefix("$.").unwrap_or(path);
    let path = path.strip_prefix('#').unwrap_or(path);
    if path.contains('/') {
        format!("/{}", path.trim_start_matches('/'))
    } else {
        format!("/{}", path.replace('.', "/"))
    }
}

/// The elements, each where it stands first.
pub(super) fn each_once(elements: &[Value]) -> Vec<Value> {
    let mut once: Vec<Value> = Vec::new();
    for element in elements.iter().take(1000) {
        if !once.contains(element) {
            once.push(element.clone());
        }
    }
    once
}

#[cfg(test)]
mod tests {
    use super::{pointer, rate, root, version};

    #[test]
    fn versions() {
        for (text, meant) in [
            ("v1.2.3", Some("1.2.3")),
            ("1", Some("1.0.0")),
            ("01.2.3", Some("1.2.3")),
            ("1.0.0+build.5", Some("1.0.0")),
            ("1.2-rc.1", Some("1.2.0-rc.1")),
            ("1.2.3.4", None),
            ("latest", None),
            ("", None),
        ] {
            assert_eq!(version(text).as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn rates() {
        assert_eq!(rate("10/minute").as_deref(), Some("10/min"));
        assert_eq!(rate("5 / h").as_deref(), Some("5/hour"));
        assert_eq!(rate("3 per day").as_deref(), Some("3/day"));
        for text in ["0/min", "ten/min", "10", "10/week", "-1/s"] {
            assert_eq!(rate(text), None, "{text}");
        }
    }

    #[test]
    fn roots() {
        for (text, meant) in [
            ("file:/srv/notes", Some("file:///srv/notes/")),
            ("file://localhost/srv/notes/", Some("file:///srv/notes/")),
            ("FILE:///srv//./notes/", Some("file:///srv/notes/")),
            ("s3:my-bucket/notes", Some("s3://my-bucket/notes/")),
            ("s3://my-bucket//notes/", Some("s3://my-bucket/notes/")),
            ("memory://notes", Some("memory:notes/")),
            ("memory:/", Some("memory:")),
            ("file:srv/notes/", None),
            ("file://srv/notes/", None),
            ("file:///srv/../etc/", None),
            ("file:///srv/%2e%2e/etc/", None),
            ("file:///srv/notes/?x", None),
            ("s3:///notes/", None),
            ("s3://", None),
            ("gs://my-bucket/", None),
            ("/srv/notes/", None),
            ("", None),
        ] {
            assert_eq!(root(text).as_deref(), meant, "{text}");
        }
    }

    #[test]
    fn pointers() {
        for path in ["slots/0", "$.slots.0", "slots.0", "#/slots/0"] {
            assert_eq!(pointer(path), "/slots/0", "{path}");
        }
    }
}
