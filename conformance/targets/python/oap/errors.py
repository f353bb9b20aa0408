"""The closed list of error codes, the error object, and the exception that becomes an error answer (spec errors.md)."""

# code: (HTTP status of an answer or None, retryable)
CODES = {
    "malformed_json": (400, False), "invalid_utf8": (400, False), "duplicate_key": (400, False), "too_deep": (400, False),
    "too_large": (413, False), "unsupported_media_type": (415, False), "invalid_request": (400, False),
    "not_found": (404, False), "method_not_allowed": (405, False), "conflict": (409, True),
    "idempotency_conflict": (409, False), "capacity_exceeded": (503, True), "internal_error": (500, False),
    "manifest_invalid": (422, False), "unsupported_protocol_version": (422, False), "profile_not_supported": (422, False),
    "manifest_conflict": (409, False), "manifest_required": (400, False), "manifest_not_found": (404, False),
    "intent_not_found": (404, False), "session_not_found": (404, False), "session_finished": (400, False),
    "awaiting_human": (409, True), "llm_unavailable": (503, True), "invalid_plan": (502, False),
    "undeclared_action": (404, False), "input_validation_failed": (None, False), "output_validation_failed": (None, False),
    "result_path_blocked": (None, False), "observation_too_large": (None, False), "missing_credential": (None, False),
    "invalid_credential": (None, False), "upstream_status": (None, False), "upstream_timeout": (None, True),
    "upstream_unreachable": (None, True), "redirect_refused": (None, False), "invalid_response": (None, False),
    "response_too_large": (None, False), "human_rejected": (None, False), "intervention_not_found": (404, False),
    "intervention_answered": (409, False), "invalid_answer": (422, False), "insufficient_scope": (403, False),
    "address_refused": (None, False), "plugin_not_found": (404, False), "plugin_error": (None, False),
    "conditional_error": (400, False), "template_error": (400, False), "state_too_large": (413, False),
    "approval_not_found": (404, False), "approval_changed": (409, False), "approval_used": (409, False),
    "approval_expired": (410, False),
}


def error_object(code, message, details=None, retryable=None):
    """An error object as it stands in answers, results and refusals."""
    error = {"errorCode": code, "message": message, "retryable": CODES[code][1] if retryable is None else retryable}
    if details:
        error["details"] = details
    return error


def violation(pointer, rule, message):
    return {"pointer": pointer, "rule": rule, "message": message}


class ApiError(Exception):
    """A refusal of a request; the HTTP layer turns it into an answer."""

    def __init__(self, code, message, details=None, status=None, headers=None):
        super().__init__(message)
        self.code, self.message, self.details = code, message, details
        self.status = status or CODES[code][0] or 500
        self.headers = headers or {}

    def body(self):
        return error_object(self.code, self.message, self.details)


def invalid_request(message, *violations):
    """400 invalid_request; violations are (pointer, rule, message) triples."""
    return ApiError("invalid_request", message, {"violations": [violation(*v) for v in violations]} if violations else None)


class ActionFailed(Exception):
    """An attempted action failed; becomes the `error` of its result."""

    def __init__(self, code, message, details=None, retryable=None):
        super().__init__(message)
        self.error = error_object(code, message, details, retryable)

    @property
    def code(self):
        return self.error["errorCode"]
