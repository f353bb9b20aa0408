// Calls of the runtime. The token goes into the Authorization header of each and nowhere else.

const KEPT_AS = "oap-console-token";
const LONGEST_TOKEN = 8192;

/** A call that was refused (`status`), or never answered (`status` 0). */
export class Refusal extends Error {
  constructor(status, body, retryAfter) {
    super(typeof body?.message === "string" ? body.message : `the runtime answered ${status} and did not say why`);
    this.status = status;
    this.code = typeof body?.errorCode === "string" ? body.errorCode : "";
    this.violations = Array.isArray(body?.details?.violations) ? body.details.violations : [];
    this.retryAfter = retryAfter;
  }

  /** Whether the same call may go well a little later. */
  get passing() {
    return this.status === 0 || this.status === 429 || this.status === 502 || this.status === 503 || this.status === 504;
  }
}

/** Takes the token out of the address, once; the address does not keep it. */
export function takeToken() {
  const found = /^#token=([^&]+)/.exec(location.hash);
  if (!found) return;
  let token = "";
  try { token = decodeURIComponent(found[1]); } catch { /* not a token, then */ }
  if (usable(token)) sessionStorage.setItem(KEPT_AS, token);
  history.replaceState(null, "", `${location.pathname}#/`);
}

/** Whether a header can carry it. */
export const usable = (token) => /^[\x21-\x7e]+$/.test(token) && token.length <= LONGEST_TOKEN;
export const token = () => sessionStorage.getItem(KEPT_AS);
export const keepToken = (text) => sessionStorage.setItem(KEPT_AS, text);
export const forgetToken = () => sessionStorage.removeItem(KEPT_AS);

/** Reads JSON; numbers that a script would round stay what was sent. */
export function read(text) {
  if (!/[0-9]{16}/.test(text) || !JSON.rawJSON) return JSON.parse(text);
  return JSON.parse(text, (_, value, context) =>
    typeof value === "number" && context?.source !== undefined && String(value) !== context.source && context.source.length > 15
      ? JSON.rawJSON(context.source) : value);
}

/** A key that makes a repetition of a call harmless. */
export function freshKey() {
  return Array.from(crypto.getRandomValues(new Uint8Array(16)), (byte) => byte.toString(16).padStart(2, "0")).join("");
}

/** An answer with its body unread.
 *  Throws a Refusal for everything but 2xx. */
export async function open(path, { method = "GET", body, key, headers = {}, signal } = {}) {
  const sent = { ...headers, Authorization: `Bearer ${token() ?? ""}` };
  if (body !== undefined) sent["Content-Type"] = "application/json";
  if (key) sent["Idempotency-Key"] = key;
  let answer;
  try {
    answer = await fetch(path, {
      method, headers: sent, signal, cache: "no-store", credentials: "omit", redirect: "error",
      body: body === undefined ? undefined : JSON.stringify(body),
    });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, { message: "The runtime cannot be reached." });
  }
  if (answer.ok) return answer;
  const seconds = Number(answer.headers.get("Retry-After"));
  let told = null;
  try { told = await answer.json(); } catch { /* a refusal without a reason */ }
  throw new Refusal(answer.status, told, Number.isFinite(seconds) && seconds > 0 ? Math.min(seconds, 600) : undefined);
}

/** An answer's JSON. */
export async function call(path, options) {
  const answer = await open(path, options);
  try {
    return read(await answer.text());
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal(0, { message: "The answer broke off, or was not JSON." });
  }
}

export const pathOf = (id) => `/sessions/${encodeURIComponent(id)}`;

/** Gives the person a file. */
export function save(blob, name) {
  const address = URL.createObjectURL(blob);
  const link = document.createElement("a");
  link.href = address;
  link.download = name.replace(/[^A-Za-z0-9._-]/g, "_");
  link.click();
  setTimeout(() => URL.revokeObjectURL(address), 10000);
}
