//! The error object, and the closed list of codes it may carry (`spec/errors.md`, `spec/error-codes.toml`).

use serde_json::{Map, Value, json};

use crate::diagnostic::Violation;

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $name:literal, $status:literal, $retryable:literal;)*) => {
        /// An error code; names are contract.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
        pub enum Code { $($(#[$doc])* $variant,)* }

        impl Code {
            /// Every code this runtime can answer with.
            pub const ALL: &'static [Code] = &[$(Code::$variant,)*];

            /// The code on the wire.
            pub fn name(self) -> &'static str {
                match self { $(Code::$variant => $name,)* }
            }

            /// The HTTP status of an answer with this code; 0 for codes that stand inside results only.
            pub fn status(self) -> u16 {
                match self { $(Code::$variant => $status,)* }
            }

            /// Whether the same call may succeed later.
            pub fn retryable(self) -> bool {
                match self { $(Code::$variant => $retryable,)* }
            }
        }
    };
}

codes! {
    /// The body is not one JSON value.
    MalformedJson = "malformed_json", 400, false;
    /// An object of the body names a member twice.
    DuplicateKey = "duplicate_key", 400, false;
    /// The body, or a document in it, is larger than allowed.
    TooLarge = "too_large", 413, false;
    /// The body is nested too deeply.
    TooDeep = "too_deep", 400, false;
    /// The body is not UTF-8.
    InvalidUtf8 = "invalid_utf8", 400, false;
    /// The body is not declared as JSON.
    UnsupportedMediaType = "unsupported_media_type", 415, false;
    /// A member is missing, of the wrong type or out of range.
    InvalidRequest = "invalid_request", 400, false;
    /// No such path.
    NotFound = "not_found", 404, false;
    /// The path exists, the method does not.
    MethodNotAllowed = "method_not_allowed", 405, false;
    /// No open session of this id.
    SessionNotFound = "session_not_found", 404, false;
    /// The session has ended.
    SessionFinished = "session_finished", 400, false;
    /// The session waits for a person.
    AwaitingHuman = "awaiting_human", 409, true;
    /// The call does not fit what is going on at the moment.
    Conflict = "conflict", 409, true;
    /// The idempotency key was used with another body.
    IdempotencyConflict = "idempotency_conflict", 409, false;
    /// The manifest breaks rules.
    ManifestInvalid = "manifest_invalid", 422, false;
    /// The name and version are taken by another document.
    ManifestConflict = "manifest_conflict", 409, false;
    /// Several manifests are registered and the request names none.
    ManifestRequired = "manifest_required", 400, false;
    /// No manifest of this name and version.
    ManifestNotFound = "manifest_not_found", 404, false;
    /// The manifest has no such intent.
    IntentNotFound = "intent_not_found", 404, false;
    /// The manifest needs a profile that this runtime lacks.
    ProfileNotSupported = "profile_not_supported", 422, false;
    /// The manifest is written for another major version of the protocol.
    UnsupportedProtocolVersion = "unsupported_protocol_version", 422, false;
    /// The reply of the model, or of a person, is no plan.
    InvalidPlan = "invalid_plan", 502, false;
    /// The plan names an action that this session does not have.
    UndeclaredAction = "undeclared_action", 404, false;
    /// The arguments do not satisfy the input schema.
    InputValidationFailed = "input_validation_failed", 0, false;
    /// The output does not satisfy the output schema or the result path.
    OutputValidationFailed = "output_validation_failed", 0, false;
    /// A `${VAR}` is unset or not granted.
    MissingCredential = "missing_credential", 0, false;
    /// The value of a `${VAR}` cannot stand where it would go.
    InvalidCredential = "invalid_credential", 0, false;
    /// The service answered with something that is not JSON.
    InvalidResponse = "invalid_response", 0, false;
    /// The service answered with a status other than 2xx.
    UpstreamStatus = "upstream_status", 0, false;
    /// The service did not answer in time.
    UpstreamTimeout = "upstream_timeout", 0, true;
    /// The service could not be reached, or broke off.
    UpstreamUnreachable = "upstream_unreachable", 0, true;
    /// The service redirected to where the call must not go.
    RedirectRefused = "redirect_refused", 0, false;
    /// The service's answer is larger than allowed.
    ResponseTooLarge = "response_too_large", 0, false;
    /// A target of the result path leads through an array or a scalar.
    ResultPathBlocked = "result_path_blocked", 0, false;
    /// The merged observation would be larger than allowed.
    ObservationTooLarge = "observation_too_large", 0, false;
    /// A person rejected the question.
    HumanRejected = "human_rejected", 0, false;
    /// The session has no such intervention.
    InterventionNotFound = "intervention_not_found", 404, false;
    /// The intervention was answered or cancelled before.
    InterventionAnswered = "intervention_answered", 409, false;
    /// The person's answer does not satisfy what was asked.
    InvalidAnswer = "invalid_answer", 422, false;
    /// No valid token.
    Unauthenticated = "unauthenticated", 401, false;
    /// The body names another user than the token.
    UserMismatch = "user_mismatch", 403, false;
    /// The subject lacks a scope that is needed.
    InsufficientScope = "insufficient_scope", 403, false;
    /// The action's rate is used up.
    RateLimited = "rate_limited", 429, true;
    /// The endpoint's host has an address that the operator does not allow.
    AddressRefused = "address_refused", 0, false;
    /// No plugin has this reference.
    PluginNotFound = "plugin_not_found", 404, false;
    /// The plugin's code could not be loaded, or failed.
    PluginError = "plugin_error", 0, false;
    /// A conditional does not parse (400) or cannot be evaluated (result).
    ConditionalError = "conditional_error", 400, false;
    /// A template does not parse (400) or cannot be evaluated (result).
    TemplateError = "template_error", 400, false;
    /// The code runtime is not offered.
    UnsupportedRuntime = "unsupported_runtime", 422, false;
    /// Sandboxed code failed, or its result is not JSON.
    SandboxError = "sandbox_error", 0, false;
    /// Sandboxed code used up its processor time.
    SandboxCpuLimit = "sandbox_cpu_limit", 0, false;
    /// Sandboxed code needed more memory than it may have.
    SandboxMemoryLimit = "sandbox_memory_limit", 0, false;
    /// The result of sandboxed code is too long.
    SandboxOutputLimit = "sandbox_output_limit", 0, false;
    /// Sandboxed code wanted a network that is not granted.
    SandboxNetworkDenied = "sandbox_network_denied", 0, false;
    /// The session was closed while its code ran.
    SandboxCancelled = "sandbox_cancelled", 0, false;
    /// The state has, or would have, more than 1 MiB.
    StateTooLarge = "state_too_large", 413, false;
    /// No approval has this id, or it is another subject's.
    ApprovalNotFound = "approval_not_found", 404, false;
    /// The resumed call is not the one that was asked about.
    ApprovalChanged = "approval_changed", 409, false;
    /// The approval has been decided already.
    ApprovalUsed = "approval_used", 409, false;
    /// The decision came more than 24 hours after the question.
    ApprovalExpired = "approval_expired", 410, false;
    /// There is no such file.
    FileNotFound = "file_not_found", 0, false;
    /// The path leads, or could lead, out of the action's root.
    PathRefused = "path_refused", 0, false;
    /// The file is larger than the limit.
    FileTooLarge = "file_too_large", 0, false;
    /// The content is not in the encoding that was named.
    InvalidEncoding = "invalid_encoding", 0, false;
    /// The store did not answer, refused the runtime, or is full.
    StorageUnavailable = "storage_unavailable", 0, true;
    /// The model could not be asked.
    LlmUnavailable = "llm_unavailable", 503, true;
    /// A bound of this runtime is reached.
    CapacityExceeded = "capacity_exceeded", 503, true;
    /// A defect of this runtime.
    InternalError = "internal_error", 500, false;
}

impl Code {
    /// The code of this name.
    pub fn named(name: &str) -> Option<Code> {
        Code::ALL.iter().copied().find(|code| code.name() == name)
    }
}

/// What went wrong, for every answer that is not 2xx and every failed result.
#[derive(Debug, Clone, PartialEq)]
pub struct ErrorObject {
    /// What happened. Contract.
    pub code: Code,
    /// For people; holds no secret, stack trace or host path.
    pub message: String,
    /// Whether the same call may succeed later.
    pub retryable: bool,
    /// Structured facts, such as `violations` or `status`.
    pub details: Map<String, Value>,
    /// The HTTP status of an answer with it, where it is not the code's own.
    answered: Option<u16>,
}

impl ErrorObject {
    /// An error without details, retryable as its code says.
    pub fn new(code: Code, message: impl Into<String>) -> Self {
        Self {
            code,
            message: message.into(),
            retryable: code.retryable(),
            details: Map::new(),
            answered: None,
        }
    }

    /// The same, answered with another status that the list of codes allows.
    #[must_use]
    pub fn answered_with(mut self, status: u16) -> Self {
        self.answered = Some(status);
        self
    }

    /// The HTTP status of an answer with it; 0 for codes that stand inside results only.
    pub fn status(&self) -> u16 {
        self.answered.unwrap_or(self.code.status())
    }

    /// The same with one more detail.
    #[must_use]
    pub fn with(mut self, name: &str, detail: impl Into<Value>) -> Self {
        self.details.insert(name.to_owned(), detail.into());
        self
    }

    /// The same with `details.violations`.
    #[must_use]
    pub fn with_violations(self, violations: &[Violation]) -> Self {
        let listed: Vec<Value> = violations.iter().map(violation_value).collect();
        self.with("violations", listed)
    }

    /// What `details.violations` lists.
    pub fn violations(&self) -> Vec<Violation> {
        let listed = self.details.get("violations").and_then(Value::as_array);
        let listed = listed.into_iter().flatten();
        listed
            .filter_map(|listed| serde_json::from_value(listed.clone()).ok())
            .collect()
    }

    /// The same, retryable or not.
    #[must_use]
    pub fn retryable(mut self, retryable: bool) -> Self {
        self.retryable = retryable;
        self
    }

    /// The object on the wire.
    pub fn to_value(&self) -> Value {
        let mut object = json!({
            "errorCode": self.code.name(),
            "message": self.message,
            "retryable": self.retryable,
        });
        if !self.details.is_empty() {
            object["details"] = Value::Object(self.details.clone());
        }
        object
    }
}

/// A violation on the wire.
pub fn violation_value(violation: &Violation) -> Value {
    json!({"pointer": violation.pointer, "rule": violation.rule, "message": violation.message})
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_object_has_its_members_and_details_only_when_there_are_some() {
        let plain = ErrorObject::new(Code::Conflict, "wait").to_value();
        assert_eq!(
            plain,
            json!({"errorCode": "conflict", "message": "wait", "retryable": true})
        );
        let detailed = ErrorObject::new(Code::UpstreamStatus, "refused")
            .with("status", 500)
            .with_violations(&[Violation::new("/a", "type", "wrong")]);
        assert_eq!(detailed.to_value()["details"]["status"], 500);
        assert_eq!(
            detailed.to_value()["details"]["violations"][0]["rule"],
            "type"
        );
    }

    #[test]
    fn every_code_is_in_the_published_list_with_its_status() {
        let Some(text) = crate::embedded::text("spec/error-codes.toml") else {
            return;
        };
        let list: toml::Table = text.parse().expect("error-codes.toml");
        let listed = list["code"].as_array().expect("an array of codes");
        for code in Code::ALL {
            let entry = listed
                .iter()
                .find(|entry| entry["name"].as_str() == Some(code.name()))
                .unwrap_or_else(|| panic!("{} is not in spec/error-codes.toml", code.name()));
            let status = entry
                .get("status")
                .and_then(toml::Value::as_integer)
                .unwrap_or(0);
            assert_eq!(status, i64::from(code.status()), "{}", code.name());
            // "varies" is a word, not a boolean; the section of the code decides.
            let retryable = entry["retryable"].as_bool().unwrap_or(code.retryable());
            assert_eq!(retryable, code.retryable(), "{}", code.name());
        }
    }
}
