// The least of a runtime: it says that it is well, what it can do, and takes manifests. It is here to try the adapter with.
import { createHash } from "node:crypto";

console.log("tiny is loaded"); // a library that prints, which the adapter has to lead elsewhere
const manifests = new Map();
const capabilities = {
  protocol_version: "2.0",
  profiles: ["core"],
  runtimes: [],
  limits: { body_bytes: 1048576, observation_bytes: 1048576, nesting: 64, max_steps: 10000, model_attempts: 3 },
  implementation: { name: "tiny", version: "0.1.0" },
};

function reply(status, value, headers = []) {
  return [status, [["content-type", "application/json"], ...headers], JSON.stringify(value)];
}

function refuse(status, errorCode, message, headers) {
  return reply(status, { errorCode, message, retryable: false }, headers);
}

// RFC 8785: JavaScript writes numbers and texts so already, and sorts by UTF-16 code units.
function canonical(value) {
  if (Array.isArray(value)) return `[${value.map(canonical).join()}]`;
  if (value === null || typeof value !== "object") return JSON.stringify(value);
  return `{${Object.keys(value).sort().map((name) => `${JSON.stringify(name)}:${canonical(value[name])}`).join()}}`;
}

export async function handle(method, path, headers, body) {
  const known = { "/healthz": ["GET", { status: "ok" }], "/capabilities": ["GET", capabilities], "/manifests": ["POST", null] };
  const [place] = path.split("?");
  if (!Object.hasOwn(known, place)) return refuse(404, "not_found", "there is nothing at this path");
  const [wanted, value] = known[place];
  if (method !== wanted) return refuse(405, "method_not_allowed", `this path has ${wanted} only`, [["allow", wanted]]);
  return value ? reply(200, value) : register(body);
}

function register(body) {
  let manifest;
  try {
    manifest = JSON.parse(body);
  } catch {
    return refuse(400, "malformed_json", "the body is not JSON");
  }
  const digest = "sha256:" + createHash("sha256").update(canonical(manifest)).digest("hex");
  const { name, version } = manifest;
  const reference = `${name}@${version}`;
  if ((manifests.get(reference) ?? digest) !== digest)
    return refuse(409, "manifest_conflict", "another manifest has this name and version");
  manifests.set(reference, digest);
  return reply(201, { name, version, digest, protocol_version: "2.0" });
}
