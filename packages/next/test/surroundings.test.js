// Where the app runs: who asks on Vercel, where events go, what a webhook brings.

import assert from 'node:assert/strict';
import { createHmac } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { intake, withRateLimit, withWebhook } from '../src/index.js';
import { Gate } from '../src/gate.js';
import { surroundings } from '../src/surroundings.js';
import { POLICY, ask, gate, variables } from './support.js';

test('on Vercel the platform says who asks, and nothing a client sends does', async (t) => {
  process.env.VERCEL = '1';
  t.after(() => delete process.env.VERCEL);
  const warnings = [];
  const around = surroundings();
  const own = new Gate({ ...around, policy: POLICY, variables: variables(), event: () => {}, warn: (text) => warnings.push(text) });
  const from = (address, forged) => own.handle(ask('/api/quick', { headers: { 'x-real-ip': address, 'x-forwarded-for': forged } }), () => new Response());
  for (let count = 0; count < 5; count++) assert.equal((await from('203.0.113.1', `198.51.100.${count}`)).status, 200);
  assert.equal((await from('203.0.113.1', '198.51.100.99')).status, 429);
  assert.equal((await from('203.0.113.2', '198.51.100.99')).status, 200);
  assert.equal(warnings.filter((text) => text.includes('Vercel runs many')).length, 1, warnings.join());
});

test('a webhook passes by its signature alone, once', async () => {
  const secret = 'It is a secret';
  const policy = `${POLICY}\n[[route]]\npath = "/api/hook"\nkind = "webhook"\nsignature = { scheme = "github", secrets = ["GITHUB_WEBHOOK_SECRET"] }\n`;
  gate({ policy, variables: { ...variables(), GITHUB_WEBHOOK_SECRET: secret } });
  const bodies = [];
  const POST = withRateLimit(withWebhook(async (request) => (bodies.push(await request.text()), new Response('ok'))));
  const send = async (body, key = secret) => {
    const signature = `sha256=${createHmac('sha256', key).update(body).digest('hex')}`;
    return (await POST(ask('/api/hook', { method: 'POST', body, headers: { 'x-hub-signature-256': signature } }))).status;
  };
  assert.deepEqual([await send('{"a":1}', 'another'), await send('{"a":1}'), await send('{"a":1}'), await send('{"a":2}')], [400, 200, 400, 200]);
  assert.deepEqual(bodies, ['{"a":1}', '{"a":2}']);
});

test('events reach an intake in batches, with its token, and a slow one costs nothing', async (t) => {
  const took = [];
  let status = 503;
  const server = http.createServer(async (request, answer) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    if (status === 200) took.push({ url: request.url, authorization: request.headers.authorization, lines: text.trimEnd().split('\n') });
    answer.writeHead(status).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => (server.closeAllConnections(), server.close()));
  const warnings = [];
  const queue = intake({ url: `http://127.0.0.1:${server.address().port}`, token: 'the-token', warn: (text) => warnings.push(text) });
  for (let count = 0; count < 2_500; count++) queue.add(`{"count":${count}}\n`);
  await queue.flush();
  assert.deepEqual([queue.dropped, warnings.length, took.length], [500, 1, 0], 'bounded, said once');
  status = 200;
  await queue.flush();
  const lines = took.flatMap((batch) => batch.lines);
  assert.equal(lines.length, 2_000);
  assert.equal(JSON.parse(lines[0]).count, 0);
  assert.ok(took.every(({ url, authorization }) => url === '/intake/events' && authorization === 'Bearer the-token'));
  assert.throws(() => intake({ url: 'http://intake.example', token: 'x' }), TypeError);
  assert.throws(() => intake({ url: 'https://intake.example' }), TypeError);
});
