"""From an accepted call to one HTTP request, and from the reply to an output (spec actions.md, secrets.md 1)."""

import asyncio
import ipaddress
import socket
from concurrent.futures import ThreadPoolExecutor
from http.cookiejar import DefaultCookiePolicy
from urllib.parse import urlencode, urljoin, urlsplit

import httpx

from .errors import ActionFailed
from .jsontext import MIB, JsonError, dumps, encode, now, parse, pointer_tokens, resolve
from .manifests import VARIABLE, _Checker, valid_endpoint

MAX_REDIRECTS = 5
_REFUSED = [ipaddress.ip_network(n) for n in (
    "10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "127.0.0.0/8", "169.254.0.0/16", "0.0.0.0/8", "224.0.0.0/4",
    "240.0.0.0/4", "::1/128", "::/128", "fc00::/7", "fe80::/10", "ff00::/8")]


def new_client():
    """No cookies, no redirects, no proxies of the environment, and each request on a connection of its own: a kept one
    that the peer closes meanwhile would look like a failure of the service."""
    limits = httpx.Limits(max_connections=None, max_keepalive_connections=0)
    client = httpx.AsyncClient(limits=limits, timeout=None, follow_redirects=False, trust_env=False)
    client.cookies.jar.set_policy(DefaultCookiePolicy(allowed_domains=[]))
    return client


def succeeded(name, output):
    return {"action_name": name, "success": True, "output": output, "error": None}


def failed(name, error):
    return {"action_name": name, "success": False, "output": None, "error": error}


def skipped(name):
    return {**succeeded(name, None), "status": "skipped"}


def mapped(entries, source):
    """The value that a request_map or response_map builds."""
    result = {}
    for target, wanted in entries.items():
        found, value = (True, wanted["const"]) if isinstance(wanted, dict) else resolve(source, pointer_tokens(wanted))
        if not found:
            continue
        tokens = pointer_tokens(target)
        if not tokens:
            return value  # the whole value; there can be no other target
        place = result
        for token in tokens[:-1]:
            place = place.setdefault(token, {})
        place[tokens[-1]] = value
    return result


def query_pairs(arguments):
    for name, value in arguments.items():
        for element in value if isinstance(value, list) else [value]:
            if element is not None:
                yield name, element if isinstance(element, str) else dumps(element)


def _origin(url):
    parts = urlsplit(url)
    return parts.scheme.lower(), (parts.hostname or "").lower(), parts.port or (443 if parts.scheme.lower() == "https" else 80)


def _target(url):
    parts = urlsplit(url)
    return f"{parts.scheme}://{parts.netloc.rpartition('@')[2]}{parts.path}"


class Executor:
    """Carries out definitions and plugins."""

    def __init__(self, config, redactor, client):
        self._config, self._redactor, self._client = config, redactor, client
        self._lookups = ThreadPoolExecutor(64, "lookup")

    async def run(self, action, arguments, key, effects):
        """The ActionResult of one attempt. `effects` gets an entry for each request; `key` is the derived idempotency key."""
        try:
            document = action.document
            if action.type == "plugin":
                document = await self._plugin_code(action.plugin)
            output = await self._call(document, arguments, key, effects)
            violations = action.output_schema.violations(output)
            if violations:
                raise ActionFailed("output_validation_failed", "the output does not satisfy output_schema", {"violations": violations})
            return succeeded(action.name, output)
        except ActionFailed as failure:
            return failed(action.name, self._redactor.value(failure.error))

    async def _plugin_code(self, name):
        plugin = self._config.plugins.get(name)
        if plugin is None:
            raise ActionFailed("plugin_error", "the plugin is not installed")
        if plugin.needs_scopes:
            raise ActionFailed("insufficient_scope", "the plugin needs scopes, which nobody has here")
        if plugin.code is None:
            try:
                if plugin.path.suffix != ".json":
                    raise ValueError("no module can be run here")
                code = parse(await asyncio.to_thread(plugin.path.read_bytes))
                checker = _Checker(code, [])
                checker.api(code, "", True)
                if code.get("type", "invoke_api") != "invoke_api" or checker.problems:
                    raise ValueError("no declared HTTP action")
                plugin.code = code
            except (OSError, JsonError, ValueError, TypeError, AttributeError):
                raise ActionFailed("plugin_error", "the plugin's code could not be loaded") from None
        return plugin.code

    # --- credentials --------------------------------------------------------------------------------------------------

    def _endpoint(self, text):
        def value(match):
            if match.group(1) not in self._config.variables:
                raise ActionFailed("missing_credential", f"the variable {match.group(1)} is not set or not granted")
            return self._config.variables[match.group(1)]

        url = VARIABLE.sub(value, text)
        if not valid_endpoint(url.replace("${", "$")):
            raise ActionFailed("upstream_unreachable", "the endpoint is no valid URL once its variables are put in")
        return url

    def _header(self, text, url):
        parts = urlsplit(url)
        host = (parts.hostname or "").lower()
        hosts = {host, f"{host}:{_origin(url)[2]}"}

        def value(match):
            name, config = match.group(1), self._config
            found = config.secrets.get(name, config.variables.get(name))
            if found is None or (name in config.secrets and name in config.bound and not config.bound[name] & hosts):
                raise ActionFailed("missing_credential", f"the variable {name} is not set or not granted for this host")
            if any(c in found for c in "\r\n\0"):
                raise ActionFailed("invalid_credential", f"the value of {name} cannot stand in a header")
            return found

        return VARIABLE.sub(value, text).encode("utf-8")

    # --- the request --------------------------------------------------------------------------------------------------

    async def _call(self, document, arguments, key, effects):
        url = self._endpoint(document["endpoint"])
        method = document["method"]
        headers = {b"Accept": b"application/json", b"Accept-Encoding": b"identity", b"User-Agent": b"oap-runtime-python"}
        payload = mapped(document["request_map"], arguments) if "request_map" in document else arguments
        payload = self._redactor.value(payload)
        content = None
        if method in ("GET", "DELETE"):
            query = urlencode(list(query_pairs(payload))) if isinstance(payload, dict) else ""
            if query:
                url += ("&" if urlsplit(url).query else "" if url.endswith("?") else "?") + query
        else:
            content = encode(payload)
            headers[b"Content-Type"] = b"application/json"
        if method != "GET":
            headers[b"Idempotency-Key"] = key.encode("ascii")
        declared = dict(document.get("headers", {}))
        if "auth" in document:
            declared["Authorization"] = document["auth"]
        for name, text in declared.items():
            name, value = name.encode("ascii"), self._header(text, url)
            headers = {n: v for n, v in headers.items() if n.lower() != name.lower()}
            headers[name] = value
        timeout = int(document.get("timeout_ms", 10_000))
        try:
            async with asyncio.timeout(timeout / 1000):
                data = await self._send(method, url, headers, content, effects)
        except TimeoutError:
            raise ActionFailed("upstream_timeout", f"the service gave no complete answer within {timeout} ms") from None
        except (httpx.HTTPError, httpx.InvalidURL, OSError, ValueError):
            raise ActionFailed("upstream_unreachable", "the service could not be reached or broke off") from None
        output = self._read(data)
        if "response_map" in document:
            output = mapped(document["response_map"], output)
        return output

    async def _send(self, method, url, headers, content, effects):
        redirects = 0
        while True:
            status, location, data = await self._exchange(method, url, headers, content, effects)
            if status in (301, 302, 303, 307, 308) and location is not None:
                following = urljoin(url, location).partition("#")[0]
                redirects += 1
                if method != "GET" or redirects > MAX_REDIRECTS or _origin(following) != _origin(url) or "@" in urlsplit(following).netloc:
                    raise ActionFailed("redirect_refused", "the service redirected to where this call may not follow")
                url = following
            elif not 200 <= status < 300:
                again = status in (408, 429) or status >= 500
                raise ActionFailed("upstream_status", f"the service answered {status}", {"status": status}, again)
            else:
                return data

    async def _exchange(self, method, url, headers, content, effects):
        """One request on the wire: status, Location and, for a 2xx, the body."""
        target, host_header, extensions = await self._address(url)
        effect = {"kind": "http", "method": method, "target": _target(url), "status": None, "at": now()}
        effects.append(effect)
        request = httpx.Request(method, target, headers=[(b"Host", host_header), *headers.items()], content=content, extensions=extensions)
        try:
            response = await self._client.send(request, stream=True)
        except (httpx.ConnectError, httpx.InvalidURL, httpx.LocalProtocolError):
            effects.remove(effect)  # nothing was sent
            raise
        try:
            effect["status"] = response.status_code
            data = bytearray()
            if 200 <= response.status_code < 300:
                async for chunk in response.aiter_raw():
                    data += chunk
                    if len(data) > MIB:
                        raise ActionFailed("response_too_large", "the service's reply has more than 1 MiB")
            return response.status_code, response.headers.get("location"), data
        finally:
            await response.aclose()

    async def _address(self, url):
        """The URL with the very address that was checked, the Host header, and the name for TLS."""
        parts = urlsplit(url)
        host, port = parts.hostname, _origin(url)[2]
        try:
            found = [str(ipaddress.ip_address(host))]
        except ValueError:
            # In threads of their own, so that a name server that hangs holds up nobody else's compilation or lookup.
            work = asyncio.get_running_loop().run_in_executor(self._lookups, lambda: socket.getaddrinfo(host, port, type=socket.SOCK_STREAM))
            found = [info[4][0] for info in await work]
        addresses = [address for address in found if self._may_call(address)]
        if not addresses:
            raise ActionFailed("address_refused", "the endpoint's host has an address that the operator does not allow")
        literal = f"[{addresses[0]}]" if ":" in addresses[0] else addresses[0]
        target = parts._replace(netloc=f"{literal}:{port}").geturl()
        return target, parts.netloc.encode("ascii"), {"sni_hostname": host, "timeout": {}}

    def _may_call(self, text):
        address = ipaddress.ip_address(text.partition("%")[0])
        if address.version == 6:
            inner = address.ipv4_mapped or address.sixtofour or (address.teredo and address.teredo[1])
            if not inner and address in ipaddress.ip_network("64:ff9b::/96"):
                inner = ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
            address = inner or address
        def within(networks):
            return any(address.version == n.version and address in n for n in networks)
        return within(self._config.allowed) or not within(_REFUSED)

    def _read(self, data):
        if not data:
            return None
        try:
            text = bytes(data).decode("utf-8")
            return self._redactor.value(parse(self._redactor.text(text), duplicates_allowed=True))
        except (JsonError, UnicodeDecodeError):
            raise ActionFailed("invalid_response", "the service's reply is not one JSON value") from None
