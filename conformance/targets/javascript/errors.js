/**
 * The closed list of error codes (spec/error-codes.toml), as far as this runtime can send them, and the error object.
 */

/** code → [HTTP status or 0 where it stands in results only, retryable] */
const CODES = {
  malformed_json: [400, false], invalid_utf8: [400, false], duplicate_key: [400, false], too_deep: [400, false],
  too_large: [413, false], unsupported_media_type: [415, false], invalid_request: [400, false],
  not_found: [404, false], method_not_allowed: [405, false], conflict: [409, true], idempotency_conflict: [409, false],
  capacity_exceeded: [503, true], internal_error: [500, false],
  manifest_invalid: [422, false], unsupported_protocol_version: [422, false], profile_not_supported: [422, false],
  manifest_conflict: [409, false], manifest_required: [400, false], manifest_not_found: [404, false], intent_not_found: [404, false],
  session_not_found: [404, false], session_finished: [400, false], awaiting_human: [409, true], llm_unavailable: [503, true],
  invalid_plan: [502, false], undeclared_action: [404, false], input_validation_failed: [0, false],
  output_validation_failed: [0, false], result_path_blocked: [0, false], observation_too_large: [0, false],
  missing_credential: [0, false], invalid_credential: [0, false], upstream_status: [0, false], upstream_timeout: [0, true],
  upstream_unreachable: [0, true], redirect_refused: [0, false], invalid_response: [0, false], response_too_large: [0, false],
  address_refused: [0, false],
  human_rejected: [0, false], intervention_not_found: [404, false], intervention_answered: [409, false], invalid_answer: [422, false],
  insufficient_scope: [403, false],
  plugin_not_found: [404, false], plugin_error: [0, false], conditional_error: [400, false], template_error: [400, false],
  state_too_large: [413, false], approval_not_found: [404, false], approval_changed: [409, false], approval_used: [409, false],
  approval_expired: [410, false],
};

/** An error object as it stands in answers, results and refusals. */
export function errorObject(errorCode, message, details, retryable = CODES[errorCode][1]) {
  const error = { errorCode, message, retryable };
  if (details !== undefined) error.details = details;
  return error;
}

/** An answer with an error. */
export class ApiError extends Error {
  constructor(code, message, { details, status, headers } = {}) {
    super(message);
    this.status = status ?? CODES[code][0];
    this.headers = headers ?? {};
    this.error = errorObject(code, message, details);
  }
}

export const violation = (pointer, rule, message) => ({ pointer, rule, message });

/** 400 invalid_request with its violations. */
export function invalidRequest(violations, message = 'the request does not have the shape that the call wants') {
  return new ApiError('invalid_request', message, { details: { violations: violations.slice(0, 100) } });
}
