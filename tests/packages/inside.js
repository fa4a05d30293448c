import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync } from 'node:fs';
import net from 'node:net';
import path from 'node:path';
import { createInterface } from 'node:readline';
import { Process, freePort } from '../support-js/processes.js';

export const FOLDER = path.resolve(import.meta.dirname, '../../examples/nextjs-inside');
export const PACKAGE = path.resolve(import.meta.dirname, '../../packages/next');
export const TABLE = JSON.parse(readFileSync(path.resolve(import.meta.dirname, '../support/table.json'), 'utf8'));

const NEXT = path.join(FOLDER, 'node_modules/next/dist/bin/next');
const SOURCES = [
  'app', 'instrumentation.ts', 'next.config.ts', 'package-lock.json', 'palisade.shared.toml', 'palisade.toml', 'proxy.ts',
  'node_modules/@palisade-gate',
];

/**
 * The example app under `next start`, built by one of Next's bundlers. With `shared` it was built of the policy that shares
 * its state: `{ redis, port, secrets }` are the server, the port that visitors type, and what a gateway there has too.
 */
export class Inside {
  #lines = [];

  static async start(bundler, shared) {
    if (!existsSync(NEXT)) throw new Error(`Next.js is not installed: run "npm ci" in ${FOLDER}`);
    const app = new Inside();
    const folder = `.next-${bundler}`;
    if (!upToDate(path.join(FOLDER, folder))) await run('next build', folder, ['build', `--${bundler}`], shared ? { SHARED: '1' } : {}).finished();
    app.port = await freePort();
    app.visited = shared?.port ?? app.port;
    app.process = run('next start', folder, ['start', '-H', 'localhost', '-p', String(app.port)], {
      PALISADE_ENV: 'development',
      PALISADE_LISTEN: `127.0.0.1:${app.visited}`,
      ...(shared?.secrets ?? newSecrets()),
      ...(shared ? { REDIS_URL: shared.redis } : {}),
    });
    createInterface({ input: app.process.child.stdout }).on('line', (line) => app.#lines.push(line));
    await app.process.listening('localhost', app.port);
    return app;
  }

  get events() {
    return this.#lines.filter((line) => line.startsWith('{')).map((line) => JSON.parse(line));
  }

  async token() {
    const answer = await this.send({ method: 'GET', target: '/api/csrf' });
    return { cookie: answer.headers['set-cookie'][0].split(';')[0], token: JSON.parse(answer.body).csrfToken };
  }

  /** One request over its own connection, byte for byte: no client tidies up its target or joins its fields. */
  send({ method = 'GET', target, headers = [], body = '' }) {
    const lines = [`${method} ${target} HTTP/1.1`, `host: localhost:${this.visited}`, 'connection: close'];
    for (const [name, value] of headers) lines.push(`${name}: ${value}`);
    if (body !== '' || method === 'POST') lines.push(`content-length: ${Buffer.byteLength(body)}`);
    return new Promise((resolve, reject) => {
      const socket = net.connect(this.port, 'localhost');
      let raw = '';
      socket.setEncoding('utf8').setTimeout(20_000, () => socket.destroy(new Error('no answer in time')));
      socket.on('data', (text) => (raw += text)).on('error', reject).on('end', () => resolve(parse(raw)));
      socket.write(`${lines.join('\r\n')}\r\n\r\n${body}`);
    });
  }

  async stop() {
    await this.process?.stop();
  }
}

export function newSecrets() {
  const secret = () => randomBytes(32).toString('hex');
  return { CSRF_SECRET: secret(), SESSION_SECRET: secret() };
}

function parse(raw) {
  const end = raw.indexOf('\r\n\r\n');
  const [status, ...lines] = raw.slice(0, end).split('\r\n');
  const headers = {};
  for (const line of lines) {
    const colon = line.indexOf(':');
    (headers[line.slice(0, colon).toLowerCase()] ??= []).push(line.slice(colon + 1).trim());
  }
  const body = raw.slice(end + 4);
  return { status: Number(status.split(' ')[1]), headers, body: headers['transfer-encoding'] ? unchunk(body) : body };
}

function unchunk(text) {
  let body = '';
  for (let rest = Buffer.from(text); ; ) {
    const end = rest.indexOf('\r\n');
    const size = Number.parseInt(rest.subarray(0, end).toString(), 16);
    if (!(size > 0)) return body;
    body += rest.subarray(end + 2, end + 2 + size).toString();
    rest = rest.subarray(end + 4 + size);
  }
}

function run(name, folder, args, env = {}) {
  return new Process(name, process.execPath, [NEXT, ...args], {
    cwd: FOLDER,
    env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', DIST_DIR: folder, ...env },
  });
}

/** Whether the build is there and no source is newer. */
function upToDate(folder) {
  const built = path.join(folder, 'BUILD_ID');
  return existsSync(built) && SOURCES.every((name) => newest(path.join(FOLDER, name)) <= statSync(built).mtimeMs);
}

function newest(file) {
  const { mtimeMs } = statSync(file);
  if (!statSync(file).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(file).map((name) => newest(path.join(file, name))));
}
