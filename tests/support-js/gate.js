import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { request } from './http.js';
import { Process, eventually, freePort } from './processes.js';

const ROOT = path.resolve(import.meta.dirname, '../..');

/** A running `palisade serve`. Each has its own ports, its own policy file and its own, empty, limits. */
export class Gate {
  /**
   * Starts a gate and waits until it listens.
   *
   * `policy` makes the text of the policy from the origin that visitors type. `variables` is all that the gate finds in
   * its environment beside secrets of its own: variables of the developer's shell must not steer it. `hostname` is what
   * visitors type where it is not the address, and `port` its port, if that was promised to somebody before.
   */
  static async start(options) {
    const gate = await Gate.prepare(options);
    createInterface({ input: gate.process.child.stdout }).on('line', (line) => gate.#lines.push(line));
    await gate.process.listening('127.0.0.1', gate.port);
    return gate;
  }

  /** Starts the process and waits for nothing. */
  static async prepare(options) {
    const { workdir, policy, upstream, environment = 'development', publicOrigin, variables = {} } = options;
    const gate = new Gate();
    gate.port = options.port ?? (await freePort());
    gate.origin = publicOrigin ?? `http://${options.hostname ?? '127.0.0.1'}:${gate.port}`;
    gate.host = new URL(gate.origin).host;
    const folder = mkdtempSync(path.join(workdir, 'gate-'));
    const file = path.join(folder, 'palisade.toml');
    writeFileSync(file, policy(gate.origin));
    gate.policy = file;
    const args = [
      'serve',
      ...['--env', environment],
      ...['--policy', file],
      ...['--listen', `127.0.0.1:${gate.port}`],
      ...['--upstream', upstream],
    ];
    const secret = () => randomBytes(32).toString('hex');
    const own = { PATH: process.env.PATH, RUST_BACKTRACE: '1', CSRF_SECRET: secret(), SESSION_SECRET: secret() };
    gate.process = new Process('palisade serve', binary(), args, { cwd: folder, env: { ...own, ...variables } });
    return gate;
  }

  #lines = [];

  url(pathname) {
    return this.origin + pathname;
  }

  /** One request over its own connection, byte for byte as given, for the host that the gate answers for. */
  request({ headers, ...options }) {
    return request({ port: this.port, headers: { host: this.host, ...headers }, ...options });
  }

  /** The events so far; every line of stdout must be one. */
  get events() {
    return this.#lines.map(parseEvent);
  }

  /** Waits for an event: one that names a code, or one that `matches`. */
  event(what) {
    const matches = typeof what === 'function' ? what : (event) => event['palisade.code'] === what;
    return eventually(`an event: ${what}`, () => this.events.find(matches));
  }

  async stop() {
    await this.process?.stop();
  }
}

/** The gate that was built, or the one that PALISADE_BIN names. */
export function binary() {
  if (process.env.PALISADE_BIN) return required(path.resolve(process.env.PALISADE_BIN), 'PALISADE_BIN names no file');
  const built = ['release', 'debug'].map((profile) => path.join(ROOT, 'target', profile, 'palisade'));
  const found = built.find((file) => existsSync(file));
  return found ?? required(built[0], 'the gate is not built: run "cargo build --release" or set PALISADE_BIN');
}

function required(file, reason) {
  if (!existsSync(file)) throw new Error(`${reason} (${file})`);
  return file;
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
