// oap-stdio/1 around a JavaScript runtime: adapter.mjs MODULE.mjs, which exports async handle(method, path, headers, body) -> [status, headers, body].
import { once } from "node:events";
import { resolve } from "node:path";
import { createInterface } from "node:readline";
import { pathToFileURL } from "node:url";

const answers = process.stdout.write.bind(process.stdout);
process.stdout.write = process.stderr.write.bind(process.stderr); // whatever the runtime prints goes to standard error

const { handle } = await import(pathToFileURL(resolve(process.argv[2])));

function say(line) {
  answers(JSON.stringify(line) + "\n");
}

function text(bytes) {
  try {
    return new TextDecoder("utf-8", { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return { base64: Buffer.from(bytes).toString("base64") };
  }
}

async function answer({ id, method, path, headers, body }) {
  const bytes = typeof body === "string" ? Buffer.from(body) : Buffer.from(body?.base64 ?? "", "base64");
  try {
    const [status, own, reply] = await handle(method, path, headers, bytes);
    say({ id, status, headers: own, body: typeof reply === "string" ? reply : text(reply) });
  } catch (error) {
    console.error(error);
    say({ id, status: 500, headers: [], body: null });
  }
}

const lines = createInterface({ input: process.stdin });
lines.on("line", (line) => answer(JSON.parse(line)));
say({ ready: true, protocol: "oap-stdio/1" });
await once(lines, "close");
process.exit(0); // nobody waits for what is still open
