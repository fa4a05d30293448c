import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Gate } from '../src/gate.js';
import { ConfigError } from '../src/problems.js';
import { guardRequest, logSecurityEvent, protect, protectionHeaders, sendAlert, validateConfig, withRateLimit, withValidation } from '../src/index.js';
import { securityHeaders } from '../src/config.js';
import { POLICY, ask, gate, variables } from './support.js';

test('a request that a gate before this one vouches for is counted once', async () => {
  const own = variables();
  const options = () => ({ name: 'p', policy: POLICY, variables: own, event: () => {}, warn: () => {} });
  const [before, inside] = [new Gate(options()), new Gate(options())];
  const send = async (request) => (await inside.handle(request, () => new Response('ok'))).status;
  for (let count = 0; count < 5; count++) {
    const { admitted } = await before.decide(ask('/api/quick'));
    const told = Object.fromEntries(admitted.set);
    assert.equal(await send(ask('/api/quick', { headers: told })), 200);
    before.finish(admitted, new Response());
  }
  // The inner gate has counted none of them, and counts by itself what comes around the outer one.
  const around = [];
  for (let count = 0; count < 6; count++) around.push(await send(ask('/api/quick', { headers: { 'x-palisade-admitted': 'v1.9999999999.7ff.AAAA' } })));
  assert.deepEqual(around, [200, 200, 200, 200, 200, 429]);
});

test('a word of the gate is good for its own request alone', async () => {
  const own = variables();
  const options = () => ({ name: 'p', policy: POLICY, variables: own, event: () => {}, warn: () => {} });
  const [before, inside] = [new Gate(options()), new Gate(options())];
  const { admitted } = await before.decide(ask('/api/quick'));
  const told = Object.fromEntries(admitted.set);
  const stolen = await inside.handle(ask('/api/contact', { method: 'POST', headers: told, body: 'x' }), () => new Response('ok'));
  assert.equal(stolen.status, 403);
});

test('validateConfig names every missing variable at once, and no value', () => {
  const broken = () => validateConfig({ policy: POLICY.replace('public-form', 'public-from'), variables: { CSRF_SECRET: 'hunter2', PALISADE_ENV: 'production' } });
  assert.throws(broken, (error) => {
    assert.ok(error instanceof ConfigError);
    for (const part of ['palisade.toml:9:', 'SESSION_SECRET', 'CSRF_SECRET']) assert.ok(error.message.includes(part), `${part}: ${error.message}`);
    return !error.message.includes('hunter2');
  });
  const { name } = validateConfig({ policy: POLICY, variables: variables() });
  assert.equal(name, 'inside');
});

test('a gate that cannot start lets nobody through', async () => {
  const told = gate({ variables: {} });
  const answer = await withRateLimit(() => new Response('ok'))(ask('/api/quick'));
  assert.equal(answer.status, 500);
  assert.match(told.errors.join(), /SESSION_SECRET/);
});

test('a route that the policy does not name is a public form, or what its options say', async () => {
  gate();
  const statuses = async (GET) => {
    const all = [];
    for (let count = 0; count < 7; count++) all.push((await GET(ask('/api/unnamed/7'))).status);
    return all;
  };
  assert.deepEqual(await statuses(withRateLimit(() => new Response())), [200, 200, 200, 200, 200, 429, 429]);
  assert.deepEqual(await statuses(withRateLimit(() => new Response(), { limit: '2/min' })), [200, 200, 429, 429, 429, 429, 429]);
  assert.equal((await protect('protected-read', () => new Response())(ask('/api/mine'))).status, 401);
  const POST = withRateLimit(withValidation(() => new Response(), { safeParse: () => ({ success: false, error: { issues: [{ path: ['a', 0], message: 'no' }] } }) }));
  const invalid = await POST(ask('/api/free', { method: 'POST', headers: { 'sec-fetch-site': 'same-origin', 'content-type': 'application/json' }, body: '{}' }));
  assert.deepEqual([invalid.status, (await invalid.json()).details], [400, { '/a/0': 'no' }]);
});

test('guardRequest answers or steps aside, for any server that speaks fetch', async () => {
  gate();
  assert.equal((await guardRequest(ask('/api/contact', { method: 'POST', body: 'x' }))).status, 403);
  const request = ask('/api/quick');
  assert.equal(await guardRequest(request, { address: '203.0.113.9' }), null);
  assert.equal(protectionHeaders(request).get('x-ratelimit-remaining'), '4');
  const other = ask('/api/quick');
  assert.equal(await guardRequest(other, { address: '203.0.113.10' }), null);
  assert.equal(protectionHeaders(other).get('x-ratelimit-remaining'), '4', 'addresses are counted apart');
});

test('the headers without a request are those that the gate sets', async () => {
  gate();
  const request = ask('/api/quick');
  await guardRequest(request);
  for (const { key, value } of securityHeaders({ https: false })) assert.equal(protectionHeaders(request).get(key), value, key);
});

test('what an app reports is one line of JSON without secrets', async (t) => {
  const lines = [];
  t.mock.method(process.stdout, 'write', (text) => (lines.push(text), true));
  logSecurityEvent({ type: 'AUTH_FAILURE', ip: '203.0.113.9', endpoint: '/login', details: { password: 'hunter2', note: 'a\nb' } });
  await sendAlert({ severity: 'HIGH', message: 'many refusals' });
  t.mock.restoreAll();
  const events = lines.filter((line) => /AUTH_FAILURE|ALERT/.test(line));
  assert.equal(events.length, 2);
  assert.ok(events.every((line) => line.indexOf('\n') === line.length - 1 && !line.includes('hunter2')));
  assert.equal(JSON.parse(events[1]).severity, 'HIGH');
  assert.throws(() => logSecurityEvent({ type: 'OTHER' }), TypeError);
});

test('a chunked body is cut off at the route’s cap, and the answer says so', async () => {
  gate({ policy: `${POLICY}\n[[route]]\npath = "/api/hook"\nmethods = ["POST"]\nkind = "delegated"\nbody = "1KiB"\n` });
  const POST = withRateLimit(async (request) => new Response(String((await request.text()).length)));
  const send = (bytes) => {
    const body = new Blob(['x'.repeat(bytes)]).stream();
    return POST(new Request('http://127.0.0.1:3000/api/hook', { method: 'POST', body, duplex: 'half', headers: { 'sec-fetch-site': 'same-origin' } }));
  };
  const small = await send(1000);
  assert.deepEqual([small.status, await small.text()], [200, '1000']);
  assert.equal((await send(5000)).status, 413);
});

test('what Next.js throws to redirect goes on to it, and the event is no failure', async () => {
  const told = gate();
  const redirect = Object.assign(new Error('NEXT_REDIRECT'), { digest: 'NEXT_REDIRECT;replace;/x;307;' });
  await assert.rejects(withRateLimit(() => { throw redirect; })(ask('/api/quick')), redirect);
  await assert.rejects(withRateLimit(() => { throw new Error('broken'); })(ask('/api/quick')), /broken/);
  assert.deepEqual(told.events.map((event) => event['http.response.status_code']), [307, 500]);
});
