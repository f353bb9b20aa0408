//! Addresses and roots in the form in which they are compared: the same for all ways to write the same.

/// Scheme, host with port, and the rest of an address.
pub(super) fn parts(endpoint: &str) -> (String, String, String) {
    let (scheme, rest) = endpoint.split_once("://").unwrap_or(("", endpoint));
    let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
    let (host, path) = rest.split_at(end);
    let scheme = scheme.to_ascii_lowercase();
    // What stands for a host may hold the beginning of a path as well.
    let is_plain = !scheme.is_empty() && !host.ends_with('}');
    let path = match path {
        "/" if is_plain => String::new(),
        path if is_plain && path.starts_with('?') => format!("/{path}"),
        path => path.to_owned(),
    };
    let host = host_folded(host);
    let usual = match scheme.as_str() {
        "https" => Some(":443"),
        "http" => Some(":80"),
        _ => None,
    };
    let without = usual.and_then(|usual| host.strip_suffix(usual));
    let host = without.unwrap_or(&host).to_owned();
    (scheme, host, path)
}

/// A host in small letters; who asks, and the names of variables, keep theirs.
fn host_folded(host: &str) -> String {
    let (who, host) = match host.rsplit_once('@') {
        Some((who, host)) => (format!("{who}@"), host),
        None => (String::new(), host),
    };
    let mut folded = who;
    let mut rest = host;
    while let Some((before, after)) = rest.split_once("${") {
        folded.push_str(&before.to_ascii_lowercase());
        let (name, after) = after.split_once('}').unwrap_or((after, ""));
        folded.push_str(&format!("${{{name}}}"));
        rest = after;
    }
    folded.push_str(&rest.to_ascii_lowercase());
    folded
}

/// A destination as hosts and ports are compared.
pub(super) fn destination(text: &str) -> String {
    let Some((scheme, _)) = text.split_once("://") else {
        return text.to_ascii_lowercase();
    };
    let (_, host, path) = parts(text);
    match scheme.to_ascii_lowercase().as_str() {
        _ if !path.is_empty() || host.contains(':') => format!("{host}{path}"),
        "https" => format!("{host}:443"),
        "http" => format!("{host}:80"),
        _ => text.to_owned(),
    }
}

/// What a root lies in, and the folders down to it.
pub(super) fn folders(root: &str) -> (String, Vec<&str>) {
    let (place, rest) = if let Some(rest) = root.strip_prefix("s3://") {
        let (bucket, rest) = rest.split_once('/').unwrap_or((rest, ""));
        (format!("s3://{bucket}"), rest)
    } else if let Some(rest) = root.strip_prefix("memory:") {
        ("memory:".to_owned(), rest)
    } else if let Some(rest) = root.strip_prefix("file:///") {
        ("file:".to_owned(), rest)
    } else if root.starts_with('/') && !root.starts_with("//") {
        ("file:".to_owned(), root)
    } else {
        (root.to_owned(), "")
    };
    let folders = rest.split('/').filter(|folder| !folder.is_empty());
    (place, folders.collect())
}
