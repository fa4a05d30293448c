import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csrfRoute, identity, withCsrf, withRateLimit } from '../src/index.js';
import { ask, cookieOf, gate } from './support.js';

const json = { 'content-type': 'application/json' };

async function token() {
  const answer = await csrfRoute(ask('/api/csrf'));
  assert.equal(answer.status, 200);
  return { cookie: cookieOf(answer), 'x-csrf-token': (await answer.json()).csrfToken };
}

test('a request passes limit and token once, and the handler gets its body and its context', async () => {
  const { events } = gate();
  const seen = [];
  const POST = withRateLimit(withCsrf(async (request, ctx) => {
    seen.push(await request.json(), ctx, request.headers.get('x-palisade-user'));
    return Response.json({ success: true });
  }));
  const ctx = { params: Promise.resolve({ id: '7' }) };
  const send = (headers) => POST(ask('/api/contact', { method: 'POST', headers: { ...json, ...headers }, body: '{"a":1}' }), ctx);

  const missing = await send({});
  assert.deepEqual([missing.status, (await missing.json()).error], [403, 'CSRF token missing']);
  const fresh = await token();
  const accepted = await send({ ...fresh, 'x-palisade-user': 'somebody' });
  assert.equal(accepted.status, 200);
  assert.deepEqual(await accepted.json(), { success: true });
  assert.deepEqual(seen, [{ a: 1 }, ctx, null]);
  assert.equal(seen[1], ctx);
  assert.ok(accepted.headers.get('x-csrf-token'), 'the next token comes along');
  const again = await send(fresh);
  assert.deepEqual([again.status, (await again.json()).error], [403, 'CSRF token already used']);
  const next = await send({ ...fresh, 'x-csrf-token': accepted.headers.get('x-csrf-token') });
  assert.equal(next.status, 200);
  assert.equal(identity(ask('/')), null);
  assert.deepEqual(events.map((event) => event['palisade.decision']).filter(Boolean).length, events.length);
});
