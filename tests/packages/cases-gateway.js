// `palisade serve` in front of the example app, both by one policy and over one Redis.

import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { Gate } from '../support-js/gate.js';
import { cookiesOf } from '../support-js/http.js';
import { freePort } from '../support-js/processes.js';
import { RedisServer } from '../support-js/redis.js';
import { FOLDER, Inside, newSecrets } from './inside.js';

const POLICY = path.join(FOLDER, 'palisade.shared.toml');
const JSON_BODY = { 'content-type': 'application/json', 'sec-fetch-site': 'same-origin' };

/** The app first, as the gateway needs its address; the app knows the port that visitors will type. */
export async function startBehind(bundler) {
  const redis = await RedisServer.start();
  const port = await freePort();
  const secrets = newSecrets();
  const workdir = mkdtempSync(path.join(tmpdir(), 'palisade-behind-'));
  const app = await Inside.start(bundler, { redis: redis.url, port, secrets });
  const gateway = await Gate.start({
    workdir, port, upstream: `http://127.0.0.1:${app.port}`, hostname: 'localhost',
    policy: () => readFileSync(POLICY, 'utf8'), variables: { ...secrets, REDIS_URL: redis.url },
  });
  const stop = async () => {
    await gateway.stop();
    await redis.stop();
    rmSync(workdir, { recursive: true, force: true });
  };
  return { app, gateway, stop };
}

export function gatewayCases(running) {
  let next = 1;
  /** Each test asks as somebody else: what was counted before is not theirs. */
  const somebody = () => `203.0.113.${next++}`;
  const through = (from, target, { headers, ...more } = {}) =>
    running().gateway.request({ path: target, ...more, headers: { 'x-forwarded-for': from, ...headers } });
  const straight = (from, target, { headers = {}, ...more } = {}) =>
    running().app.send({ target, ...more, headers: Object.entries({ 'x-forwarded-for': from, ...headers }) });

  test('five a minute over gateway and app are five', async () => {
    const from = somebody();
    const statuses = [];
    for (let count = 0; count < 8; count++) statuses.push((await (count % 2 ? straight : through)(from, '/api/test-rate-limit')).status);
    assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429, 429]);
  });

  test('a request through gateway and wrapper counts once', async () => {
    const from = somebody();
    const statuses = [];
    for (let count = 0; count < 7; count++) statuses.push((await through(from, '/api/test-rate-limit')).status);
    assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429, 429]);
  });

  test('its token is spent once, by whichever sees it first', async () => {
    const from = somebody();
    const fresh = async () => {
      const answer = await through(from, '/api/csrf');
      return { ...JSON_BODY, cookie: cookiesOf(answer), 'x-csrf-token': JSON.parse(answer.body).csrfToken };
    };
    const post = { method: 'POST', body: JSON.stringify({ title: 'Hello' }) };
    const first = { ...post, headers: await fresh() };
    const accepted = await through(from, '/api/example-protected', first);
    assert.deepEqual([accepted.status, JSON.parse(accepted.body).title], [200, 'Hello'], accepted.body);
    for (const again of [through, straight]) {
      const refused = await again(from, '/api/example-protected', first);
      assert.deepEqual([refused.status, JSON.parse(refused.body).code], [403, 'csrf-token-reused']);
    }
    const second = { ...post, headers: await fresh() };
    assert.equal((await straight(from, '/api/example-protected', second)).status, 200);
    const refused = await through(from, '/api/example-protected', second);
    assert.deepEqual([refused.status, JSON.parse(refused.body).code], [403, 'csrf-token-reused']);
  });

  test('the app believes the gateway’s word, and nobody else’s', async () => {
    const from = somebody();
    const forged = { 'x-palisade-admitted': 'v1.9999999999.7ff.AAAA' };
    const refused = await straight(from, '/api/example-protected', { method: 'POST', body: '{"title":"x"}', headers: { ...JSON_BODY, ...forged } });
    assert.equal(refused.status, 403);
  });
}
