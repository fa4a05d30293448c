// The other way round: what `palisade watch` sends to a webhook channel is verified by the specification's own libraries,
// from the app's `sendAlert` on.

import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Webhook } from 'standardwebhooks';
import { Webhook as Svix } from 'svix';
import { binary } from '../../support-js/gate.js';
import { Process, eventually, freePort } from '../../support-js/processes.js';
import { PEERS } from './support/peers.js';

const PACKAGE = path.resolve(import.meta.dirname, '../../../packages/next/src/index.js');
const TOKEN = 'a-token-of-tests-for-the-intake-0123456789';
const SECRET = PEERS.standardwebhooks.newSecret();
const MESSAGE = 'Rate limit violations: 240/min "grüße" <!channel>';
const APP = `
import { sendAlert, logSecurityEvent } from ${JSON.stringify(PACKAGE)};
await sendAlert({ severity: 'LOW', message: 'somebody mistyped' });
await sendAlert({ severity: 'HIGH', message: ${JSON.stringify(MESSAGE)}, ip: '203.0.113.9', details: { apiKey: 'hunter2' } });
for (let count = 0; count < 10; count++) logSecurityEvent({ type: 'RATE_LIMIT', ip: '203.0.113.9', endpoint: '/api/contact' });
// The queue sends within a second, and keeps no process alive for it.
setTimeout(() => {}, 3_000);
`;

const workdir = mkdtempSync(path.join(tmpdir(), 'palisade-alerts-'));
process.on('exit', () => rmSync(workdir, { recursive: true, force: true }));
const took = [];
let receiver;
let watch;
let intake;

before(async () => {
  receiver = http.createServer(async (request, answer) => {
    const chunks = [];
    for await (const chunk of request) chunks.push(chunk);
    took.push({ headers: request.headers, body: Buffer.concat(chunks).toString() });
    // The first attempt is lost, so the second must carry a signature of its own time.
    answer.writeHead(took.length === 1 ? 503 : 204).end();
  });
  receiver.listen(0, '127.0.0.1');
  await once(receiver, 'listening');
  intake = await freePort();
  writeFileSync(
    path.join(workdir, 'palisade.toml'),
    `[app]\nname = "shop"\nupstream = "http://127.0.0.1:9"\npublic_origin = "https://shop.example"\n
[[channel]]\nname = "own"\nkind = "webhook"\nurl = "OWN_URL"\nsecret = "OWN_SECRET"\n`,
  );
  const args = ['watch', '--intake', `127.0.0.1:${intake}`, '--policy', 'palisade.toml', '--store', 'palisade.db'];
  const env = {
    OWN_URL: `http://127.0.0.1:${receiver.address().port}/hook`,
    OWN_SECRET: SECRET,
    PALISADE_INTAKE_TOKEN: TOKEN,
    CSRF_SECRET: '0f3c6a1b9d8e7f2a4c5b6d7e8f9a0b1c',
    SESSION_SECRET: '9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d',
  };
  watch = new Process('palisade watch', binary(), args, { cwd: workdir, env });
  await watch.listening('127.0.0.1', intake);
});

after(async () => {
  await watch?.stop();
  receiver?.closeAllConnections();
  receiver?.close();
});

test('G4: sendAlert of the npm package arrives as a webhook that the reference libraries verify', async () => {
  writeFileSync(path.join(workdir, 'app.mjs'), APP);
  const env = { PATH: process.env.PATH, PALISADE_INTAKE_URL: `http://127.0.0.1:${intake}`, PALISADE_INTAKE_TOKEN: TOKEN };
  const app = spawn(process.execPath, ['app.mjs'], { cwd: workdir, env, stdio: ['ignore', 'pipe', 'inherit'] });
  let printed = '';
  app.stdout.on('data', (text) => (printed += text));
  const [code] = await once(app, 'close');
  assert.deepEqual([code, printed], [0, ''], 'the app sends to the intake, and waits for nobody');
  await eventually('two attempts', () => took.length >= 2, 60_000);

  const [lost, kept] = took;
  for (const { headers, body } of [lost, kept]) {
    const event = new Webhook(SECRET).verify(body, headers);
    new Svix(SECRET).verify(body, headers);
    assert.equal(event.type, 'palisade.alert.opened');
    assert.deepEqual([event.data.priority, event.data.rules[0].rule], ['P1', 'app-alert-high']);
    assert.equal(event.data.incidents[0].group['error.type'], MESSAGE, 'as the app said it, in a field of its own');
    assert.ok(!body.includes('hunter2') && !body.includes('mistyped'), body);
  }
  assert.equal(kept.headers['webhook-id'], lost.headers['webhook-id'], 'one key for all attempts');
  assert.equal(kept.body, lost.body);
});

test('G4: the libraries refuse it with another body, another secret, another time', () => {
  const { headers, body } = took[1];
  const refuses = (secret, changed, text) => assert.throws(() => new Webhook(secret).verify(text, { ...headers, ...changed }));
  refuses(SECRET, {}, body.replace('P1', 'P3'));
  refuses(PEERS.standardwebhooks.newSecret(), {}, body);
  refuses(SECRET, { 'webhook-timestamp': String(Number(headers['webhook-timestamp']) + 1) }, body);
  refuses(SECRET, { 'webhook-id': 'msg_other' }, body);
});
