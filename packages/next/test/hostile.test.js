// Whatever a stranger sends, an answer comes, no rule is skipped, and the gate still works afterwards.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { shared } from '../src/gate.js';
import { csrfRoute, withCsrf, withRateLimit } from '../src/index.js';
import { leaves } from '../src/leave.js';
import { ask, gate } from './support.js';

const POLICY = `
[app]
name = "hostile"
public_origin = "http://127.0.0.1:3000"
[[route]]
path = "/api/contact"
methods = ["POST"]
kind = "public-form"
limit = "1000/s"
`;

const PIECES = ['\u00ff', '%', '%00', '%2e%2e', '..', '//', ';', ',', '"', "'", '\\', '{}', '[', '\u0080', 'a'.repeat(5_000), '=', '&', ' ', '\t', '-1', '1e309', 'NaN', '__proto__'];
const NAMES = ['cookie', 'origin', 'host', 'x-csrf-token', 'authorization', 'content-type', 'content-length', 'content-encoding', 'x-forwarded-for', 'sec-fetch-site', 'sec-fetch-mode', 'x-palisade-admitted', 'x-request-id', 'accept', 'next-action', 'transfer-encoding', 'upgrade', 'connection'];

test('hostile strings, huge headers and missing fields are answered', async () => {
  const told = gate({ policy: POLICY });
  let reached = 0;
  const POST = withRateLimit(withCsrf(() => (reached++, new Response('ok'))));
  let state = 7;
  const pick = (list) => list[(state = (Math.imul(state, 1103515245) + 12345) >>> 0) % list.length];
  for (let round = 0; round < 500; round++) {
    const headers = new Headers(round % 3 === 0 ? {} : { host: '127.0.0.1:3000' });
    for (let count = round % 7; count > 0; count--) headers.append(pick(NAMES), pick(PIECES) + pick(PIECES));
    const body = pick([undefined, '', pick(PIECES), 'x'.repeat(70_000)]);
    const target = pick(['/api/contact', `/api/contact?${pick(PIECES)}`, `/${pick(PIECES)}`]);
    const answer = await POST(new Request(`http://127.0.0.1:3000${target}`, { method: 'POST', headers, body }));
    assert.ok(answer.status >= 400 && answer.status < 500, `${answer.status} ${[...headers]}`);
    await answer.arrayBuffer();
  }
  assert.equal(reached, 0, 'nothing without a token has come through');
  assert.deepEqual(told.errors, []);
  assert.equal((await csrfRoute(ask('/api/csrf'))).status, 200);
});

test('a head of a megabyte is refused or answered, never fatal', async () => {
  gate({ policy: POLICY });
  const POST = withCsrf(() => new Response('ok'));
  for (const headers of [{ cookie: 'a=b; '.repeat(200_000) }, { 'x-long': 'y'.repeat(1 << 20) }]) {
    const answer = await POST(ask('/api/contact', { method: 'POST', headers, body: 'x' }));
    assert.ok(answer.status >= 400 && answer.status < 500);
  }
  const many = new Headers({ host: '127.0.0.1:3000' });
  for (let count = 0; count < 40_000; count++) many.set(`x-${count}`, '1');
  assert.equal((await POST(new Request('http://127.0.0.1:3000/api/contact', { method: 'POST', headers: many }))).status, 400);
});

test('a server action is left to no wrapper: Next.js runs it where a declared path has no handler', async () => {
  gate({ policy: POLICY.replace('[app]', '[app]\nframework = "nextjs"') });
  const left = (path, headers = {}) => leaves(shared(), ask(path, { method: 'POST', headers, body: 'x' }), ['/api/']);
  assert.equal(left('/api/contact'), true);
  assert.equal(left('/api/contact', { 'next-action': '40861d42ea3020006ea15e44b4f2bbb2de86b4fcc8' }), false);
  assert.equal(left('/api/contact', { 'Next-Action': '' }), false);
  assert.equal(left('/api/other'), false);
  assert.equal(left('/contact'), false);
});
