/**
 * One outgoing HTTP request: bounded in time and size, never repeated, never redirected by itself, on a connection of its
 * own. And the rule where calls may go: only to addresses that are public or that the operator allows (access.md 6).
 */
import http from 'node:http';
import https from 'node:https';
import dns from 'node:dns/promises';
import net from 'node:net';

export class NetError extends Error {
  /** @param {'timeout'|'unreachable'|'too_large'|'address'} kind */
  constructor(kind, message) { super(message); this.kind = kind; }
}

const PRIVATE = new net.BlockList();
for (const [address, bits] of [['10.0.0.0', 8], ['172.16.0.0', 12], ['192.168.0.0', 16], ['100.64.0.0', 10], ['127.0.0.0', 8], ['169.254.0.0', 16], ['0.0.0.0', 8], ['224.0.0.0', 4], ['240.0.0.0', 4]]) PRIVATE.addSubnet(address, bits, 'ipv4');
for (const [address, bits] of [['::', 128], ['::1', 128], ['fc00::', 7], ['fe80::', 10], ['ff00::', 8]]) PRIVATE.addSubnet(address, bits, 'ipv6');

/** IPv4 addresses inside IPv6 ones are judged as IPv4. */
function embedded(address) {
  const url = new URL(`http://[${address.split('%')[0]}]/`).hostname.slice(1, -1);
  const m = /^(?:::ffff:|::|64:ff9b::)([0-9a-f]{1,4}):([0-9a-f]{1,4})$/.exec(url);
  if (!m) return null;
  const [a, b] = [parseInt(m[1], 16), parseInt(m[2], 16)];
  return `${a >> 8}.${a & 255}.${b >> 8}.${b & 255}`;
}

export class Addresses {
  /** @param {string[]} allowed CIDRs of the operator */
  constructor(allowed) {
    this.allowed = new net.BlockList();
    for (const cidr of allowed) {
      const [address, bits] = cidr.split('/');
      const family = net.isIPv6(address) ? 'ipv6' : 'ipv4';
      try { this.allowed.addSubnet(address, bits === undefined ? (family === 'ipv6' ? 128 : 32) : Number(bits), family); } catch { /* an ill-formed range allows nothing */ }
    }
  }

  mayCall(address) {
    const family = net.isIPv6(address) ? 'ipv6' : 'ipv4';
    if (this.allowed.check(address, family)) return true;
    const inner = family === 'ipv6' ? embedded(address) : null;
    if (inner !== null) return this.mayCall(inner);
    return !PRIVATE.check(address, family);
  }

  /** The address to connect to: looked up once, so that the one that was checked is the one that is called. */
  async resolve(hostname) {
    const host = hostname.replace(/^\[|\]$/g, '');
    let found;
    if (net.isIP(host)) found = [{ address: host, family: net.isIP(host) }];
    else {
      try { found = await dns.lookup(host, { all: true }); } catch { throw new NetError('unreachable', 'the host has no address'); }
    }
    const good = found.find(({ address }) => this.mayCall(address));
    if (!good) throw new NetError('address', 'the host has an address that is not allowed');
    return good;
  }
}

/**
 * Sends one request and reads its reply.
 * @param {URL} url
 * @param {{method: string, headers: object, body?: string, timeoutMs: number, maxBytes: number, addresses?: Addresses,
 *          onSend?: () => void, wantsBody?: (status: number) => boolean}} options
 * @returns {Promise<{status: number, headers: object, body: Buffer}>} throws NetError
 */
export async function send(url, options) {
  const { method, headers, body, timeoutMs, maxBytes, addresses, onSend, wantsBody = () => true } = options;
  const deadline = Date.now() + timeoutMs;
  const late = () => new NetError('timeout', `no complete answer within ${timeoutMs} ms`);
  let lookup;
  if (addresses) {
    let timer;
    const tooLate = new Promise((_, reject) => { timer = setTimeout(() => reject(late()), timeoutMs); });
    try {
      const { address, family } = await Promise.race([addresses.resolve(url.hostname), tooLate]);
      lookup = (_, o, done) => (o.all ? done(null, [{ address, family }]) : done(null, address, family));
    } finally { clearTimeout(timer); }
  }
  return new Promise((resolve, reject) => {
    let settled = false;
    let request;
    const settle = (action, value) => {
      if (settled) return;
      settled = true;
      clearTimeout(timer);
      action(value);
      request?.destroy();
    };
    const timer = setTimeout(() => settle(reject, late()), Math.max(0, deadline - Date.now()));
    const broken = () => settle(reject, new NetError('unreachable', 'the other side could not be reached or closed the connection early'));
    try {
      const payload = body === undefined ? undefined : Buffer.from(body);
      const all = { ...headers, Connection: 'close' };
      if (payload) all['Content-Length'] = payload.length;
      request = (url.protocol === 'https:' ? https : http).request(url, { method, headers: all, agent: false, lookup }, (response) => {
        if (!wantsBody(response.statusCode)) {
          settle(resolve, { status: response.statusCode, headers: response.headers, body: Buffer.alloc(0) });
          return;
        }
        const chunks = [];
        let size = 0;
        response.on('data', (chunk) => {
          size += chunk.length;
          if (size > maxBytes) settle(reject, Object.assign(new NetError('too_large', `the answer has more than ${maxBytes} bytes`), { status: response.statusCode }));
          else chunks.push(chunk);
        });
        response.on('end', () => {
          if (!response.complete) broken();
          else settle(resolve, { status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
        });
        response.on('aborted', broken);
        response.on('error', broken);
      });
      request.on('error', broken);
      request.on('close', broken);
      onSend?.();
      request.end(payload);
    } catch {
      broken();
    }
  });
}
