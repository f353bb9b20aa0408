/**
 * The operator's configuration, all from the environment: the model, secrets, variables, addresses, plugins. And what
 * follows from it: which reference may be replaced by what, and the redaction of known secrets (spec/secrets.md).
 */

export class CredentialError extends Error {
  constructor(code, message) { super(message); this.code = code; }
}

const list = (text) => (text ?? '').split(',').map((s) => s.trim()).filter(Boolean);

/** Reads the configuration from an environment, once at the start. */
export function readConfig(env) {
  const secrets = new Map();
  for (const name of list(env.OAP_SECRETS)) {
    const value = env[name];
    // A short secret counts as not granted: to redact it would tear holes into ordinary text.
    if (value !== undefined && [...value].length >= 8 && value !== env.OPENAI_API_KEY) secrets.set(name, value);
  }
  const variables = new Map();
  for (const name of list(env.OAP_VARIABLES)) {
    const value = env[name];
    if (value !== undefined && value !== env.OPENAI_API_KEY && ![...secrets.values()].includes(value)) variables.set(name, value);
  }
  const bindings = new Map();
  for (const pair of list(env.OAP_BIND_SECRETS)) {
    const at = pair.indexOf('=');
    if (at <= 0) continue;
    const name = pair.slice(0, at).trim();
    bindings.set(name, [...(bindings.get(name) ?? []), pair.slice(at + 1).trim().toLowerCase()]);
  }
  const timeout = Number(env.OAP_MODEL_TIMEOUT_MS);
  return {
    port: Number(env.PORT) || 0,
    model: {
      base: (env.OPENAI_BASE_URL ?? 'https://api.openai.com/v1').replace(/\/+$/, ''),
      key: env.OPENAI_API_KEY ?? '',
      name: env.OPENAI_MODEL ?? 'gpt-4o-mini',
      timeoutMs: Number.isInteger(timeout) && timeout > 0 ? timeout : 120000,
    },
    secrets, variables, bindings,
    allowAddresses: list(env.OAP_ALLOW_ADDRESSES),
    pluginsFolder: env.OAP_PLUGINS ?? '',
  };
}

const REFERENCE = /\$\{([A-Za-z_][A-Za-z0-9_]*)\}/g;

/** False if some `${` does not begin a well-formed reference. */
export const referencesAreWellFormed = (text) => !text.replace(REFERENCE, '').includes('${');

/** `${NAME}` in an endpoint: variables only, since URLs are written into logs everywhere. */
export function resolveEndpoint(config, text) {
  return text.replace(REFERENCE, (_, name) => {
    if (!config.variables.has(name)) throw new CredentialError('missing_credential', `the endpoint variable ${name} is not set or not granted`);
    return config.variables.get(name);
  });
}

/** `${NAME}` in `auth` and headers: secrets first, then variables; in a single pass. */
export function resolveHeader(config, text, url) {
  const value = text.replace(REFERENCE, (_, name) => {
    if (config.secrets.has(name)) {
      const hosts = config.bindings.get(name);
      if (hosts && !hosts.includes(url.hostname) && !hosts.includes(url.host)
        && !hosts.includes(`${url.hostname}:${url.port || (url.protocol === 'https:' ? 443 : 80)}`)) {
        throw new CredentialError('missing_credential', `${name} is not granted for this host`);
      }
      return config.secrets.get(name);
    }
    if (config.variables.has(name)) return config.variables.get(name);
    throw new CredentialError('missing_credential', `${name} is not set or not granted`);
  });
  // eslint-disable-next-line no-control-regex
  if (/[\r\n\u0000]/.test(value)) throw new CredentialError('invalid_credential', 'a value for a header has a line break or NUL');
  return value;
}

// --- redaction -----------------------------------------------------------------------------------------------------------

const quote = (s) => s.replace(/[.*+?^${}()|[\]\\/-]/g, '\\$&');
const anyCase = (hex) => hex.replace(/[a-f]/gi, (c) => `[${c.toLowerCase()}${c.toUpperCase()}]`);
const SHORT_ESCAPES = { '\n': 'n', '\r': 'r', '\t': 't', '\b': 'b', '\f': 'f', '"': '"', '\\': '\\', '/': '/' };

/** The secret raw or inside a JSON string: each character plain or in any of its escapes. */
function textPattern(secret) {
  return Array.from({ length: secret.length }, (_, i) => {
    const c = secret[i];
    const forms = [quote(c), `\\\\u${anyCase(secret.charCodeAt(i).toString(16).padStart(4, '0'))}`];
    if (SHORT_ESCAPES[c]) forms.unshift(`\\\\${quote(SHORT_ESCAPES[c])}`);
    return `(?:${forms.join('|')})`;
  }).join('');
}

/** Every byte percent-encoded but the unreserved ones; `form` as application/x-www-form-urlencoded has it. */
function percentPattern(secret, form) {
  const kept = form ? /[A-Za-z0-9*._-]/ : /[A-Za-z0-9._~-]/;
  let out = '';
  for (const byte of Buffer.from(secret)) {
    const c = String.fromCharCode(byte);
    if (kept.test(c)) out += quote(c);
    else if (form && c === ' ') out += '\\+';
    else out += anyCase(`%${byte.toString(16).padStart(2, '0')}`);
  }
  return out;
}

/** The characters of the base64 text that depend on the secret alone, at one of the three alignments. */
function base64Pattern(secret, offset, alphabet) {
  const bytes = Buffer.from(secret);
  const text = Buffer.concat([Buffer.alloc(offset), bytes]).toString(alphabet).replace(/=+$/, '');
  const first = Math.ceil((offset * 8) / 6);
  const last = Math.floor(((offset + bytes.length) * 8) / 6);
  return quote(text.slice(first, last));
}

/** A function that puts `[REDACTED]` in the place of each known secret, in every encoding of secrets.md 2.1. */
export function makeRedactor(config) {
  const known = new Set([...config.secrets.values()]);
  if ([...config.model.key].length >= 8) known.add(config.model.key);
  const patterns = new Set();
  for (const secret of known) {
    patterns.add(textPattern(secret));
    patterns.add(percentPattern(secret, false));
    patterns.add(percentPattern(secret, true));
    for (const offset of [0, 1, 2]) {
      for (const alphabet of ['base64', 'base64url']) {
        // In JSON a slash can be written with a backslash.
        patterns.add(base64Pattern(secret, offset, alphabet).replace(/\\\//g, '\\\\?\\/'));
      }
    }
  }
  if (patterns.size === 0) return (text) => text;
  const search = new RegExp([...patterns].sort((a, b) => b.length - a.length).join('|'), 'g');
  return (text) => text.replace(search, '[REDACTED]');
}
