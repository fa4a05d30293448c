import { randomBytes } from 'node:crypto';
import { existsSync, mkdtempSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { request } from '../../../browser/support/http.js';
import { Process, eventually, freePort } from '../../../browser/support/processes.js';

const ROOT = path.resolve(import.meta.dirname, '../../../..');

/** A gate in front of the application, with one webhook for each scheme. */
export class Gate {
  static async start(upstream, workdir, variables, { mode = 'enforce' } = {}) {
    const gate = await Gate.prepare(upstream, workdir, variables, { mode });
    createInterface({ input: gate.process.child.stdout }).on('line', (line) => gate.events.push(JSON.parse(line)));
    await gate.process.listening('127.0.0.1', gate.port);
    return gate;
  }

  /** Starts the process and waits for nothing. */
  static async prepare(upstream, workdir, variables, { mode = 'enforce' } = {}) {
    const gate = new Gate();
    gate.port = await freePort();
    gate.events = [];
    const folder = mkdtempSync(path.join(workdir, 'gate-'));
    const file = path.join(folder, 'palisade.toml');
    writeFileSync(file, policy(gate.port, upstream.port, mode));
    const args = ['serve', '--env', 'development', '--policy', file, '--listen', `127.0.0.1:${gate.port}`];
    const secret = () => randomBytes(32).toString('hex');
    // A small, known environment: variables of the developer's shell must not steer the gate.
    const env = { PATH: process.env.PATH, CSRF_SECRET: secret(), SESSION_SECRET: secret(), ...variables };
    gate.process = new Process('palisade serve', binary(), args, { cwd: folder, env });
    return gate;
  }

  /** One POST over its own connection, byte for byte as given. */
  post({ path, headers, body }) {
    const host = `127.0.0.1:${this.port}`;
    const all = { host, 'content-type': 'application/json', ...headers };
    return request({ port: this.port, method: 'POST', path, headers: all, body });
  }

  /** Waits for an event that `matches`. */
  event(what, matches) {
    return eventually(what, () => this.events.find(matches));
  }

  async stop() {
    await this.process?.stop();
  }
}

function policy(port, upstream, mode) {
  const hooks = {
    svix: ['SVIX_SECRET'],
    clerk: ['SVIX_SECRET'],
    standard: ['STANDARD_SECRET'],
    stripe: ['STRIPE_SECRET'],
  };
  const route = ([scheme, secrets]) => `
[[route]]
path = "/hooks/${scheme}"
kind = "webhook"
limit = "1000/min"
body = "64KiB"
signature = { scheme = "${scheme}", secrets = ${JSON.stringify(secrets)} }
`;
  return `[app]
name = "peers"
upstream = "http://127.0.0.1:${upstream}"
public_origin = "http://127.0.0.1:${port}"
mode = "${mode}"
${Object.entries(hooks).map(route).join('')}`;
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
