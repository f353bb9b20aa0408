/**
 * Starts the runtime: configuration from the environment, the parts put together, an orderly end.
 */
import { realpathSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { readConfig, makeRedactor } from './secrets.js';
import { Actions } from './actions.js';
import { Addresses } from './net.js';
import { Model } from './model.js';
import { Registry } from './manifest.js';
import { Sessions } from './sessions.js';
import { Workflows } from './workflows.js';
import { createServer } from './server.js';

const GRACE_MS = 10000;

export function build(env) {
  const config = readConfig(env);
  const redact = makeRedactor(config);
  const registry = new Registry();
  const model = new Model(config, redact);
  const actions = new Actions(config, new Addresses(config.allowAddresses), redact);
  const sessions = new Sessions({ registry, model, actions, redact });
  const workflows = new Workflows({ registry, model, actions, redact });
  return { config, server: createServer({ registry, sessions, workflows, redact }) };
}

if (process.argv[1] && fileURLToPath(import.meta.url) === realpathSync(process.argv[1])) {
  const { config, server } = build(process.env);
  server.listen(config.port, '127.0.0.1', 4096, () => console.log(`listening on http://127.0.0.1:${server.address().port}`));
  server.on('error', (error) => { console.error(`cannot listen: ${error.code}`); process.exit(1); });
  // A stranger's input never ends the process.
  process.on('uncaughtException', (error) => console.error('uncaught:', error?.stack ?? error));
  process.on('unhandledRejection', (error) => console.error('unhandled:', error?.stack ?? error));
  const stop = () => {
    server.beginStopping();
    // Calls in flight are answered; then idle connections are let go.
    server.close(() => process.exit(0));
    server.closeIdleConnections();
    setTimeout(() => process.exit(0), GRACE_MS).unref();
  };
  process.on('SIGTERM', stop);
  process.on('SIGINT', stop);
}
