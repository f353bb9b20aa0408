//! After which failures a fallback runs (`spec/workflows.md`, section 10): one table for workflows and sessions.

use crate::runtime::error::Code;

/// Codes of other rooms by how they begin: whatever ended sandboxed code, something else may do its work.
const SANDBOX: &str = "sandbox_";

/// Whether a failure with this code lies outside the request, so that a fallback may try in the action's place (10.1 to 10.3).
///
/// A reply that arrived and could not be used is none of them: the first action's effect has happened.
pub fn runs_after(code: Code) -> bool {
    match code {
        Code::UpstreamUnreachable
        | Code::UpstreamTimeout
        | Code::UpstreamStatus
        | Code::RedirectRefused
        | Code::PluginError
        | Code::StorageUnavailable => true,
        other => other.name().starts_with(SANDBOX),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_left_column_and_nothing_else() {
        let left = [
            "upstream_unreachable",
            "upstream_timeout",
            "upstream_status",
            "redirect_refused",
            "plugin_error",
            "storage_unavailable",
        ];
        for code in Code::ALL {
            let name = code.name();
            let expected = left.contains(&name) || name.starts_with("sandbox_");
            assert_eq!(runs_after(*code), expected, "{name}");
        }
    }
}
