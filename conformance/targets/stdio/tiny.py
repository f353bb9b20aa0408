"""The least of a runtime: it says that it is well, what it can do, and takes manifests. It is here to try the adapter with."""
import hashlib
import json

print("tiny is loaded")  # a library that prints, which the adapter has to lead elsewhere
MANIFESTS = {}
CAPABILITIES = {
    "protocol_version": "2.0",
    "profiles": ["core"],
    "runtimes": [],
    "limits": {"body_bytes": 1048576, "observation_bytes": 1048576, "nesting": 64, "max_steps": 10000, "model_attempts": 3},
    "implementation": {"name": "tiny", "version": "0.1.0"},
}


def reply(status, value):
    return status, [("Content-Type", "application/json")], json.dumps(value, ensure_ascii=False).encode()


def refuse(status, code, message):
    return reply(status, {"errorCode": code, "message": message, "retryable": False})


def handle(method, path, headers, body):
    known = {"/healthz": ("GET", {"status": "ok"}), "/capabilities": ("GET", CAPABILITIES), "/manifests": ("POST", None)}
    path = path.split("?")[0]
    if path not in known:
        return refuse(404, "not_found", "there is nothing at this path")
    wanted, value = known[path]
    if method != wanted:
        status, own, text = refuse(405, "method_not_allowed", f"this path has {wanted} only")
        return status, own + [("Allow", wanted)], text
    return reply(200, value) if value else register(body)


def register(body):
    try:
        manifest = json.loads(body)
    except ValueError:
        return refuse(400, "malformed_json", "the body is not JSON")
    # Keys in ASCII and small integers: this is their canonical form, too.
    canonical = json.dumps(manifest, sort_keys=True, separators=(",", ":"), ensure_ascii=False)
    digest = "sha256:" + hashlib.sha256(canonical.encode()).hexdigest()
    name, version = manifest["name"], manifest["version"]
    known = MANIFESTS.setdefault((name, version), digest)
    if known != digest:
        return refuse(409, "manifest_conflict", "another manifest has this name and version")
    return reply(201, {"name": name, "version": version, "digest": digest, "protocol_version": "2.0"})
