// What the operations guide has its reader call, by the guide's own names.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import http from 'node:http';
import { test } from 'node:test';
import { ConfigError, failure, forbidden, invalid, logSecurityEvent, notFound, sendAlert, unauthorized, validateConfig } from '../src/index.js';
import { emit } from '../src/surroundings.js';
import { POLICY, variables } from './support.js';

/** What is written to stdout meanwhile, of ours. */
async function printed(t, act) {
  const lines = [];
  t.mock.method(process.stdout, 'write', (text) => (lines.push(String(text)), true));
  try {
    await act();
  } finally {
    t.mock.restoreAll();
  }
  return lines.filter((line) => line.startsWith('{"timestamp"'));
}

test('A16: validateConfig names every missing variable at once, and no value', () => {
  const policy = POLICY.replace('[app]', '[app]\nservices = ["clerk", "convex"]');
  const wrong = () => validateConfig({ policy, variables: { CSRF_SECRET: 'hunter2', PALISADE_ENV: 'production' } });
  assert.throws(wrong, (error) => {
    assert.ok(error instanceof ConfigError);
    const guides = ['CSRF_SECRET', 'SESSION_SECRET', 'NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY', 'CLERK_SECRET_KEY', 'NEXT_PUBLIC_CONVEX_URL'];
    for (const name of guides) assert.ok(error.message.includes(name), `${name}: ${error.message}`);
    return !error.message.includes('hunter2');
  });
  assert.equal(validateConfig({ policy: POLICY, variables: variables() }).environment, 'development');
});

test('A16: logSecurityEvent writes the guide’s event, one line, without secrets', async (t) => {
  const details = { password: 'hunter2', note: 'a\nb', deep: { apiKey: 'k', a: { b: { c: { d: 1 } } } }, many: 'x'.repeat(5_000) };
  const event = { type: 'AUTH_FAILURE', ip: '203.0.113.9', userId: 'u1', endpoint: '/login', details };
  const [line, ...rest] = await printed(t, () => logSecurityEvent(event));
  assert.deepEqual(rest, []);
  assert.ok(line.indexOf('\n') === line.length - 1 && !/hunter2|apiKey/.test(line) && line.length < 2_000);
  const { timestamp, environment: _, details: told, ...said } = JSON.parse(line);
  assert.ok(Math.abs(Date.parse(timestamp) - Date.now()) < 60_000);
  assert.deepEqual(said, { type: 'AUTH_FAILURE', ip: '203.0.113.9', userId: 'u1', endpoint: '/login' });
  assert.equal(told.note, 'a\nb');
  assert.throws(() => logSecurityEvent({ type: 'OTHER' }), TypeError);
});

test('A16: sendAlert is an event that says how urgent it is, and waits for nobody', async (t) => {
  const [line] = await printed(t, () => sendAlert({ severity: 'HIGH', message: 'many refusals', ip: '203.0.113.9' }));
  const { type, severity, message, action } = JSON.parse(line);
  assert.deepEqual([type, severity, message, action], ['ALERT', 'HIGH', 'many refusals', 'alert-high']);
  await assert.rejects(sendAlert({ severity: 'URGENT', message: 'x' }), TypeError);
});

test('A16: the five error answers, with nothing of the insides in production', async (t) => {
  const before = process.env.NODE_ENV;
  t.after(() => (before === undefined ? delete process.env.NODE_ENV : (process.env.NODE_ENV = before)));
  const broken = new Error('SELECT * FROM users failed at /srv/app.js:7');
  const shown = async (answer) => {
    assert.equal(answer.headers.get('content-type'), 'application/problem+json');
    assert.equal(answer.headers.get('cache-control'), 'no-store');
    return [answer.status, await answer.json()];
  };
  process.env.NODE_ENV = 'production';
  const all = [failure(broken), invalid({ '/title': 'too long' }), unauthorized(), forbidden(), notFound('post')];
  const told = await Promise.all(all.map(shown));
  assert.deepEqual(told.map(([status, { error }]) => [status, error]), [
    [500, 'Internal server error'], [400, 'Validation failed'], [401, 'Unauthorized'], [403, 'Forbidden'], [404, 'Not found'],
  ]);
  assert.ok(told.every(([status, body]) => body.status === status && !JSON.stringify(body).includes('users')));
  assert.deepEqual(told[1][1].details, { '/title': 'too long' });
  process.env.NODE_ENV = 'development';
  assert.match((await failure(broken).json()).message, /users/);
});

test('what an app reports goes where its events go: to the intake, with the token', async (t) => {
  const took = [];
  const server = http.createServer(async (request, answer) => {
    let text = '';
    for await (const chunk of request) text += chunk;
    took.push({ method: request.method, url: request.url, authorization: request.headers.authorization, text });
    answer.writeHead(204).end();
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  t.after(() => (server.closeAllConnections(), server.close()));
  const around = { PALISADE_INTAKE_URL: `http://127.0.0.1:${server.address().port}`, PALISADE_INTAKE_TOKEN: 'a-token-of-thirty-two-characters' };
  // Where events go is looked up once a process: this one has used stdout before.
  const fresh = await import(`../src/surroundings.js?${Date.now()}`);
  Object.assign(process.env, around);
  t.after(() => Object.keys(around).forEach((name) => delete process.env[name]));
  fresh.emit('{"type":"ALERT"}\n');
  fresh.emit('{"type":"RATE_LIMIT"}\n');
  const arrived = async () => took.length > 0 || (await new Promise((resolve) => setTimeout(resolve, 20)), arrived());
  await arrived();
  assert.deepEqual(took, [{ method: 'POST', url: '/intake/events', authorization: 'Bearer a-token-of-thirty-two-characters', text: '{"type":"ALERT"}\n{"type":"RATE_LIMIT"}\n' }]);
  assert.equal(typeof emit, 'function');
});
