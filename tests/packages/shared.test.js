// Servers of one app that share a Redis, through whichever client the app has.

import assert from 'node:assert/strict';
import { createHmac, randomBytes } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, test } from 'node:test';
import { Redis as Upstash } from '@upstash/redis';
import { Redis } from 'ioredis';
import { createClient } from 'redis';
import { Gate as Inside } from '../../packages/next/src/gate.js';
import { Gate as Gateway } from '../support-js/gate.js';
import { eventually } from '../support-js/processes.js';
import { RedisServer, RestProxy } from '../support-js/redis.js';
import { CONTACT, QUICK } from '../support-js/routes.js';
import { Upstream } from '../support-js/upstream.js';

const ADDRESS = '203.0.113.7';
const secret = () => randomBytes(32).toString('hex');
const SECRETS = { CSRF_SECRET: secret(), SESSION_SECRET: secret(), GITHUB_WEBHOOK_SECRET: 'It is a secret' };
const policy = (origin, state = '', patience = '1s') => `
[app]
name = "shared"
public_origin = "${origin}"
[clients]
trusted_proxies = ["127.0.0.1/32"]
[state]
redis = "REDIS_URL"
timeout = "${patience}"
${state}
${QUICK}
${CONTACT}
[[route]]
path = "/api/hook"
kind = "webhook"
signature = { scheme = "github", secrets = ["GITHUB_WEBHOOK_SECRET"] }
`;
const ORIGIN = 'http://127.0.0.1:3000';

let server;
let redis;
let rest;
let workdir;
const open = [];

before(async () => {
  workdir = mkdtempSync(path.join(tmpdir(), 'palisade-shared-'));
  server = await RedisServer.start();
  redis = new Redis(server.url);
  rest = await RestProxy.start(redis);
});
beforeEach(() => redis.flushall());
after(async () => {
  for (const close of open.reverse()) await close();
  await rest?.stop();
  redis?.disconnect();
  await server?.stop();
  rmSync(workdir, { recursive: true, force: true });
});

/** One server of the app; what it says is kept. */
function inside({ client = redis, origin = ORIGIN, state, patience } = {}) {
  const told = [];
  const variables = { ...SECRETS, PALISADE_ENV: 'development', REDIS_URL: server.url };
  const gate = new Inside({
    name: 'palisade.toml', policy: policy(origin, state, patience), variables, redis: client,
    event: () => {}, warn: (text) => told.push(text), error: (text) => told.push(String(text)),
  });
  const send = (target, { method = 'GET', headers = {}, body } = {}, handler = () => new Response('ok')) => {
    const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
    const all = { host: new URL(origin).host, 'x-forwarded-for': ADDRESS, ...length, ...headers };
    return gate.handle(new Request(origin + target, { method, headers: all, body }), handler);
  };
  return { gate, told, send };
}

const statuses = async (count, ask) => {
  const all = [];
  for (let index = 0; index < count; index++) all.push((await ask(index)).status);
  return all;
};

async function token({ send }) {
  const answer = await send('/api/csrf');
  const cookie = answer.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
  return { cookie, 'x-csrf-token': (await answer.json()).csrfToken };
}

const clients = {
  ioredis: async () => redis,
  redis: async () => {
    const client = await createClient({ url: server.url }).connect();
    open.push(() => client.close());
    return client;
  },
  '@upstash/redis': async () => new Upstash({ url: rest.url, token: 'the-token', enableTelemetry: false, retry: false }),
};

for (const [name, make] of Object.entries(clients)) {
  test(`two servers over ${name} let five through together, and take one token once`, async () => {
    const client = await make();
    const both = [inside({ client }), inside({ client })];
    assert.deepEqual(await statuses(7, (index) => both[index % 2].send('/api/quick')), [200, 200, 200, 200, 200, 429, 429]);
    const fresh = await token(both[0]);
    const post = ({ send }) => send('/api/contact', { method: 'POST', headers: { ...fresh, 'content-type': 'text/plain' }, body: 'x' });
    const [first, again] = [await post(both[0]), await post(both[1])];
    assert.deepEqual([first.status, again.status, (await again.json()).code], [200, 403, 'csrf-token-reused']);
    assert.deepEqual(both.flatMap(({ told }) => told), []);
  });
}

test('of many at once over two servers exactly as many pass as the limit and the token allow', async () => {
  const both = [inside(), inside()];
  const quick = await Promise.all(Array.from({ length: 40 }, (_, index) => both[index % 2].send('/api/quick')));
  assert.equal(quick.filter(({ status }) => status === 200).length, 5);
  const fresh = await token(both[0]);
  const race = await Promise.all(both.map(({ send }) => send('/api/contact', { method: 'POST', headers: fresh, body: 'x' })));
  assert.deepEqual(race.map(({ status }) => status).sort(), [200, 403]);
});

test('a message is handled by one server, and the other hears of it', async () => {
  const [one, other] = [inside(), inside()];
  const body = '{"action":"opened"}';
  const signature = `sha256=${createHmac('sha256', SECRETS.GITHUB_WEBHOOK_SECRET).update(body).digest('hex')}`;
  const headers = { 'x-hub-signature-256': signature, 'content-type': 'application/json' };
  const send = ({ send }, handler) => send('/api/hook', { method: 'POST', headers, body }, handler);
  assert.equal((await send(one, () => new Response('broken', { status: 500 }))).status, 500);
  let meanwhile;
  const first = await send(other, async () => {
    meanwhile = await send(one);
    return new Response('ok');
  });
  assert.deepEqual([first.status, meanwhile.status], [200, 409]);
  assert.equal((await send(one)).status, 400, 'done, and known by its signature');
});

test('who is shut out by another gate is shut out here', async () => {
  const asked = [];
  const spy = {
    defineCommand() {},
    evalsha: (digest, count, ...rest) => (asked.push(rest.slice(0, count)), redis.evalsha(digest, count, ...rest)),
    eval: (...all) => redis.eval(...all),
  };
  const { send } = inside({ client: spy });
  assert.equal((await send('/api/csrf')).status, 200);
  const [blocks, version] = asked.find(([first]) => first.endsWith('blocks'));
  // As a gate writes it: the client's number, and until when.
  await redis.zadd(blocks, Date.now() + 60_000, 'c00000000000000000000ffffcb007107');
  await redis.incr(version);
  const refused = await eventually('shut out', async () => {
    const answer = await send('/api/csrf');
    return answer.status === 403 && answer;
  });
  assert.equal((await refused.json()).code, 'blocked');
  assert.equal((await send('/api/csrf', { headers: { 'x-forwarded-for': '203.0.113.8' } })).status, 200);
});

test('without the server each goes on as its outage mode says, and is told once', async () => {
  const own = await RedisServer.start();
  const client = new Redis(own.url, { retryStrategy: () => 50, maxRetriesPerRequest: 0 });
  client.on('error', () => {});
  open.push(() => client.disconnect());
  const { send, told } = inside({ client });
  assert.equal((await send('/api/quick')).status, 200);
  const fresh = await token({ send });
  await own.stop();
  const out = await statuses(9, () => send('/api/quick'));
  assert.ok(out.every((status) => status === 200 || status === 429) && out.includes(429), out.join());
  assert.equal((await send('/api/contact', { method: 'POST', headers: fresh, body: 'x' })).status, 200);
  const hook = { method: 'POST', headers: { 'x-hub-signature-256': `sha256=${'0'.repeat(64)}` }, body: '{}' };
  assert.equal((await send('/api/hook', hook)).status, 400);
  assert.equal(told.filter((text) => text.includes('is out')).length, 1, told.join());
  assert.ok(!told.join().includes('127.0.0.1'), 'no address, no password');

  const back = await RedisServer.start(own.port);
  open.push(() => back.stop());
  await eventually('back', async () => {
    await send('/api/csrf');
    return told.some((text) => text.includes('is back; 1 tokens'));
  });
  const again = await send('/api/contact', { method: 'POST', headers: fresh, body: 'x' });
  assert.equal(again.status, 403, 'what was spent alone is spent');
});

test('a server that never answers costs its patience, and then nothing', async () => {
  const never = { defineCommand() {}, evalsha: () => new Promise(() => {}), eval: () => new Promise(() => {}) };
  const { send } = inside({ client: never, state: 'outage = "closed"', patience: '200ms' });
  const started = performance.now();
  assert.deepEqual(await statuses(5, () => send('/api/quick')), [503, 503, 503, 503, 503]);
  assert.ok(performance.now() - started < 5_000);
});

test('what a client answers is never believed beyond whole numbers', async () => {
  for (const answer of [null, 'OK', [], ['x'], [1], [1.5, 2], [NaN, 1], [-1, -1], [[1], [2]], [1, 2, 3, 4, 5, 6, 7, 8, 9], { 0: 1 }]) {
    const odd = { defineCommand() {}, evalsha: async () => answer, eval: async () => answer };
    const { send } = inside({ client: odd, state: 'outage = "closed"' });
    assert.equal((await send('/api/quick')).status, 503, JSON.stringify(answer));
  }
  assert.throws(() => inside({ client: { get() {} } }).gate.start(), TypeError);
});

test('a gateway and a server inside share one limit; what one has decided the other does not decide again', async () => {
  const app = await Upstream.start();
  open.push(() => app.stop());
  const gateway = await Gateway.start({ workdir, policy: (origin) => policy(origin), upstream: app.url, variables: { ...SECRETS, REDIS_URL: server.url } });
  open.push(() => gateway.stop());
  const within = inside({ origin: gateway.origin });
  const through = (target, options = {}) =>
    gateway.request({ ...options, target, path: target, headers: { 'x-forwarded-for': ADDRESS, ...options.headers } });
  const passed = [];
  for (let count = 0; count < 8; count++) {
    passed.push((await (count % 2 ? through('/api/quick') : within.send('/api/quick'))).status);
  }
  assert.deepEqual(passed, [200, 200, 200, 200, 200, 429, 429, 429]);

  // Through both: what reached the application, as it reached it, is shown to the wrapper there.
  const { cookie, 'x-csrf-token': csrf } = await token(within);
  const post = { method: 'POST', headers: { cookie, 'x-csrf-token': csrf, 'content-type': 'text/plain', 'sec-fetch-site': 'same-origin' }, body: 'hello' };
  app.took.length = 0;
  assert.equal((await through('/api/contact', post)).status, 200);
  const [{ headers }] = app.took;
  let handled = 0;
  const handler = () => (handled++, new Response('ok'));
  const inner = (more = {}) => within.send('/api/contact', { method: 'POST', headers: { ...headers, ...more }, body: 'hello' }, handler);
  assert.deepEqual([(await inner()).status, handled], [200, 1]);
  const around = await inner({ 'x-palisade-admitted': 'v1.9999999999.7ff.AAAA' });
  assert.deepEqual([around.status, (await around.json()).code, handled], [403, 'csrf-token-reused', 1]);
  // Counted once: four of five are left, less the one just refused for its token.
  const left = [];
  for (let count = 0; count < 4; count++) left.push((await inner({ 'x-palisade-admitted': '' })).status);
  assert.deepEqual(left, [403, 403, 403, 429]);
});
