/**
 * What several calls look at in their bodies: versions, kinds of members, and the form of a first observation.
 */
import { has, isObject, numeric } from './json.js';
import { ApiError, invalidRequest, violation } from './errors.js';
import { isDateTime } from './schema.js';
import { majorVersion } from './manifest.js';

/** Collects violations of a body; `refuse` throws them together. */
export class BodyCheck {
  constructor(body) { this.body = body; this.violations = []; }

  add(pointer, rule, message) { this.violations.push(violation(pointer, rule, message)); }

  text(object, name, at, { required = false, most } = {}) {
    if (!has(object, name)) {
      if (required) this.add(at, 'required', `${name} is missing`);
      return;
    }
    const v = object[name];
    if (typeof v !== 'string') this.add(`${at}/${name}`, 'type', `${name} has to be a text`);
    else if (v === '') this.add(`${at}/${name}`, 'minLength', `${name} may not be empty`);
    else if (most !== undefined && [...v].length > most) this.add(`${at}/${name}`, 'maxLength', `${name} may have at most ${most} characters`);
  }

  object(object, name, at, { required = false } = {}) {
    if (!has(object, name)) {
      if (required) this.add(at, 'required', `${name} is missing`);
      return false;
    }
    if (isObject(object[name])) return true;
    this.add(`${at}/${name}`, 'type', `${name} has to be an object`);
    return false;
  }

  integer(object, name, least, most) {
    if (!has(object, name)) return;
    const v = numeric(object[name]);
    if (typeof v === 'bigint') this.add(`/${name}`, 'maximum', `${name} may be at most ${most}`);
    else if (typeof v !== 'number' || !Number.isInteger(v)) this.add(`/${name}`, 'type', `${name} has to be a whole number`);
    else if (v < least) this.add(`/${name}`, 'minimum', `${name} has to be at least ${least}`);
    else if (v > most) this.add(`/${name}`, 'maximum', `${name} may be at most ${most}`);
  }

  dateTime(object, name, at, { required = false } = {}) {
    if (!has(object, name)) {
      if (required) this.add(at, 'required', `${name} is missing`);
    } else if (!isDateTime(object[name])) this.add(`${at}/${name}`, typeof object[name] === 'string' ? 'format' : 'type', `${name} has to be a date-time of RFC 3339`);
  }

  observation(o, at) {
    this.dateTime(o, 'timestamp', at, { required: true });
    if (this.object(o, 'user_context', at, { required: true })) {
      this.text(o.user_context, 'user_id', `${at}/user_context`, { required: true });
      this.object(o.user_context, 'preferences', `${at}/user_context`, { required: true });
    }
    this.object(o, 'environment', at, { required: true });
    for (const name of ['last_result', 'step']) if (has(o, name)) this.add(`${at}/${name}`, 'not', `${name} is set by the runtime`);
  }

  refuse() { if (this.violations.length) throw invalidRequest(this.violations); }
}

export function wantObject(body) {
  if (!isObject(body)) throw invalidRequest([violation('', 'type', 'the body has to be an object')]);
  return body;
}

/** The version that a body names, in either spelling (capabilities.md 5.2). */
export function checkVersion(body) {
  const check = new BodyCheck(body);
  const names = ['protocol_version', 'protocolVersion'].filter((n) => has(body, n));
  for (const n of names) if (majorVersion(body[n]) === null) check.add(`/${n}`, typeof body[n] === 'string' ? 'pattern' : 'type', 'a protocol version is MAJOR.MINOR');
  if (names.length === 2 && body.protocol_version !== body.protocolVersion) check.add('/protocolVersion', 'const', 'the two spellings of the version differ');
  check.refuse();
  if (names.length && majorVersion(body[names[0]]) !== 2) throw new ApiError('unsupported_protocol_version', 'only version 2 of the protocol is spoken here');
}
