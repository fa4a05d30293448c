import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { request } from './http.js';
import { Process, eventually, freePort } from './processes.js';
import { FOLDER as SHOP } from './shop.js';

const ROOT = path.resolve(import.meta.dirname, '../../..');

/** The gate in front of the shop. Each has its own ports and its own, empty, limits. */
export class Gate {
  static async start(shop, { workdir, environment = 'development', publicOrigin } = {}) {
    const gate = new Gate();
    gate.port = await freePort();
    gate.origin = publicOrigin ?? `http://127.0.0.1:${gate.port}`;
    gate.host = new URL(gate.origin).host;
    gate.events = [];
    const policy = writePolicy(workdir, gate.origin);
    const args = [
      'serve',
      ...['--env', environment],
      ...['--policy', policy],
      ...['--listen', `127.0.0.1:${gate.port}`],
      ...['--upstream', `http://localhost:${shop.port}`],
    ];
    gate.process = new Process('palisade serve', binary(), args, { cwd: workdir, env: environmentVariables() });
    createInterface({ input: gate.process.child.stdout }).on('line', (line) => gate.events.push(line));
    await gate.process.listening('127.0.0.1', gate.port);
    return gate;
  }

  url(pathname) {
    return this.origin + pathname;
  }

  /** One request without a browser, for the host that the gate answers for. */
  request({ headers, ...options }) {
    return request({ port: this.port, headers: { host: this.host, ...headers }, ...options });
  }

  /** Waits for an event line that names `code`; every line must be one JSON object. */
  async event(code) {
    return eventually(`an event with the code ${code}`, () =>
      this.events.map(parseEvent).find((event) => JSON.stringify(event).includes(`"${code}"`)),
    );
  }

  async stop() {
    await this.process?.stop();
  }
}

function binary() {
  if (process.env.PALISADE_BIN) return required(path.resolve(process.env.PALISADE_BIN), 'PALISADE_BIN names no file');
  const built = ['release', 'debug'].map((profile) => path.join(ROOT, 'target', profile, 'palisade'));
  const found = built.find((file) => existsSync(file));
  return found ?? required(built[0], 'the gate is not built: run "cargo build --release" or set PALISADE_BIN');
}

function required(file, reason) {
  if (!existsSync(file)) throw new Error(`${reason} (${file})`);
  return file;
}

/** The example's own policy, moved to the origin of this run. */
function writePolicy(workdir, origin) {
  let text = readFileSync(path.join(SHOP, 'palisade.toml'), 'utf8');
  for (const [key, value] of Object.entries({ public_origin: origin, directory: SHOP })) {
    const line = new RegExp(`^${key} = .*$`, 'm');
    if (!line.test(text)) throw new Error(`palisade.toml of the shop has no line "${key} = ..."`);
    text = text.replace(line, () => `${key} = ${JSON.stringify(value)}`);
  }
  const file = path.join(mkdtempSync(path.join(workdir, 'gate-')), 'palisade.toml');
  writeFileSync(file, text);
  return file;
}

/** A small, known environment: variables of the developer's shell must not steer the gate. */
function environmentVariables() {
  const secret = () => randomBytes(32).toString('hex');
  return { PATH: process.env.PATH, RUST_BACKTRACE: '1', CSRF_SECRET: secret(), SESSION_SECRET: secret() };
}

function parseEvent(line) {
  try {
    const event = JSON.parse(line);
    if (event !== null && typeof event === 'object' && !Array.isArray(event)) return event;
  } catch {
    // Reported below, together with lines that are JSON but no object.
  }
  throw new Error(`the gate wrote to stdout something that is no event: ${line}`);
}
