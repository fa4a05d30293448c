import assert from 'node:assert/strict';
import { test } from 'node:test';
import { csrfRoute, withCsrf, withRateLimit, withValidation } from '../src/index.js';
import { POLICY, ask, cookieOf, gate } from './support.js';

const title = {
  safeParse(input) {
    const good = typeof input?.title === 'string' && input.title.length <= 10;
    return good ? { success: true, data: { title: input.title.trim() } } : { success: false, error: { issues: [{ path: ['title'], message: 'too long' }] } };
  },
};

async function token() {
  const answer = await csrfRoute(ask('/api/csrf'));
  return { cookie: cookieOf(answer), 'x-csrf-token': (await answer.json()).csrfToken, 'content-type': 'application/json' };
}

test('a body that the schema refuses spends no token, and is an event of the gate', async () => {
  const { events } = gate();
  const seen = [];
  const POST = withRateLimit(withCsrf(withValidation((request, { input }) => (seen.push(input), Response.json(input)), title)));
  const headers = await token();
  const send = (body) => POST(ask('/api/contact', { method: 'POST', headers, body: JSON.stringify(body) }));
  const refused = await send({ title: 'x'.repeat(11) });
  const said = await refused.json();
  assert.deepEqual([refused.status, said.code, said.error, said.details], [400, 'validation-failed', 'Validation failed', { '/title': 'too long' }]);
  assert.equal(events.at(-1)['palisade.code'], 'validation-failed');
  assert.equal((await send({ title: ' good ' })).status, 200);
  assert.equal((await send({ title: 'good' })).status, 403, 'now it is spent');
  assert.deepEqual(seen, [{ title: 'good' }]);
});

test('a forged request is never shown to the schema', async () => {
  gate();
  let shown = 0;
  const POST = withRateLimit(withCsrf(withValidation(() => new Response(), { safeParse: () => (shown++, { success: true }) })));
  const answer = await POST(ask('/api/contact', { method: 'POST', headers: { 'content-type': 'application/json' }, body: '{}' }));
  assert.deepEqual([answer.status, shown], [403, 0]);
});

test('what is no JSON is refused before anything is spent', async () => {
  gate();
  const POST = withRateLimit(withCsrf(withValidation(() => new Response('ok'), title)));
  const headers = await token();
  const send = (body, more) => POST(ask('/api/contact', { method: 'POST', headers: { ...headers, ...more }, body }));
  assert.equal((await send('{"title":')).status, 400);
  assert.equal((await send('{"title":"a","title":"b"}')).status, 400);
  assert.equal((await send('{"title":"a"}', { 'content-type': 'text/plain' })).status, 415);
  assert.equal((await send('{"title":"a"}')).status, 200);
});

test('a policy with a schema of its own starts, and a handler without a check refuses', async () => {
  const told = gate({ policy: POLICY.replace('kind = "public-form"', 'kind = "public-form"\nschema = "schemas/contact.json"') });
  const headers = await token();
  const send = (POST) => POST(ask('/api/contact', { method: 'POST', headers, body: '{"title":"a"}' }));
  assert.equal((await send(withCsrf(() => new Response('ok')))).status, 400);
  assert.equal((await send(withCsrf(withValidation(() => new Response('ok'), title)))).status, 200);
  assert.deepEqual(told.errors, []);
});
