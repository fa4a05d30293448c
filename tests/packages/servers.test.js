// The examples without Next.js: each started as its reader would, asked over the wire.

import assert from 'node:assert/strict';
import { randomBytes } from 'node:crypto';
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import net from 'node:net';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, describe, before, test } from 'node:test';
import { cookiesOf, request } from '../support-js/http.js';
import { Process, freePort } from '../support-js/processes.js';

const ROOT = path.resolve(import.meta.dirname, '../..');
const NEEDED = path.join(import.meta.dirname, 'node_modules');
const secret = () => randomBytes(32).toString('hex');

/** An example in a folder of its own, with what it depends on. */
async function start(name) {
  const folder = mkdtempSync(path.join(tmpdir(), `palisade-${name}-`));
  cpSync(path.join(ROOT, 'examples', name), folder, { recursive: true });
  const modules = path.join(folder, 'node_modules');
  mkdirSync(path.join(modules, '@palisade-gate'), { recursive: true });
  symlinkSync(path.join(ROOT, 'packages/next'), path.join(modules, '@palisade-gate/next'));
  for (const one of ['express', 'hono', '@hono']) symlinkSync(path.join(NEEDED, one), path.join(modules, one));
  const port = await freePort();
  const file = path.join(folder, 'palisade.toml');
  writeFileSync(file, readFileSync(file, 'utf8').replace('localhost:3000', `127.0.0.1:${port}`));
  const env = { PATH: process.env.PATH, PORT: String(port), PALISADE_ENV: 'development', CSRF_SECRET: secret(), SESSION_SECRET: secret() };
  const server = new Process(name, process.execPath, ['server.js'], { cwd: folder, env });
  await server.listening('127.0.0.1', port);
  const stop = async () => {
    await server.stop();
    rmSync(folder, { recursive: true, force: true });
  };
  const ask = (target, options = {}) => request({ port, path: target, ...options, headers: { host: `127.0.0.1:${port}`, ...options.headers } });
  return { port, ask, stop };
}

/** The bytes as given: no client tidies up the target. */
function raw(port, text) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1');
    let said = '';
    socket.setEncoding('utf8').setTimeout(10_000, () => socket.destroy(new Error('no answer in time')));
    socket.on('data', (part) => (said += part)).on('error', reject).on('close', () => resolve(said));
    socket.write(text);
  });
}

test('every example without Next.js is tried here', () => {
  assert.deepEqual(readdirSync(path.join(ROOT, 'examples')).filter((name) => name.startsWith('node-')).sort(), ['node-express', 'node-hono', 'node-http']);
});

for (const name of ['node-http', 'node-express', 'node-hono']) {
  describe(name, () => {
    let server;
    before(async () => (server = await start(name)));
    after(() => server?.stop());

    test('five pass, the sixth is told when', async () => {
      const answers = [];
      for (let count = 0; count < 6; count++) answers.push(await server.ask('/api/quick'));
      assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200, 200, 200, 429]);
      assert.ok(Number(answers[5].headers['retry-after']) > 0);
      assert.equal(answers[0].headers['x-content-type-options'], 'nosniff');
    });

    test('a form needs its token, once, and its body arrives whole', async () => {
      const answer = await server.ask('/api/csrf');
      const headers = { cookie: cookiesOf(answer), 'x-csrf-token': JSON.parse(answer.body).csrfToken, 'content-type': 'text/plain' };
      const post = (more) => server.ask('/api/contact', { method: 'POST', headers: more, body: 'héllo' });
      const missing = await post({ 'content-type': 'text/plain' });
      assert.deepEqual([missing.status, JSON.parse(missing.body).code], [403, 'csrf-token-missing']);
      const first = await post(headers);
      assert.deepEqual([first.status, JSON.parse(first.body).got], [200, 'héllo']);
      assert.deepEqual([(await post(headers)).status], [403]);
    });

    test('a form’s own field is read, and its body still arrives', async () => {
      const answer = await server.ask('/api/csrf');
      const body = `_csrf=${JSON.parse(answer.body).csrfToken}&message=hi`;
      const headers = { cookie: cookiesOf(answer), 'content-type': 'application/x-www-form-urlencoded', origin: `http://127.0.0.1:${server.port}` };
      const sent = await server.ask('/api/contact', { method: 'POST', headers, body });
      assert.deepEqual([sent.status, JSON.parse(sent.body).got], [200, body]);
    });

    test('another spelling of a path is never another route', async () => {
      for (const target of ['/api/../api/contact', '/api/%2e%2e/api/contact', '/api/%63ontact', '/API/contact', '/api/contact/', '/api\\contact', '//api/contact']) {
        const text = `POST ${target} HTTP/1.1\r\nhost: 127.0.0.1:${server.port}\r\ncontent-length: 0\r\nconnection: close\r\n\r\n`;
        assert.match(await raw(server.port, text), /^HTTP\/1\.1 4\d\d /, target);
      }
    });
  });
}
