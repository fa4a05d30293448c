// The example app answers as `palisade demo` and the axum example do: one table drives all three.

import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { eventually } from '../support-js/processes.js';
import { browserCases } from './cases-browser.js';
import { gatewayCases, startBehind } from './cases-gateway.js';
import { Inside, TABLE } from './inside.js';

const PROTECTING = ['x-content-type-options', 'content-security-policy', 'x-request-id', 'referrer-policy'];
const JSON_BODY = ['content-type', 'application/json'];

for (const bundler of ['turbopack', 'webpack']) {
  describe(`Next.js built by ${bundler}`, () => {
    let app;
    let around;
    // One of the two stands behind a gateway, and shares a Redis with it.
    before(async () => {
      if (bundler === 'turbopack') app = await Inside.start(bundler);
      else ({ app, ...around } = await startBehind(bundler));
    });
    after(async () => {
      await app?.stop();
      await around?.stop();
    });
    if (bundler === 'turbopack') browserCases(() => app);
    else gatewayCases(() => ({ app, ...around }));

    test('A15: the wrappers inside answer the table of gateway and layer', async () => {
      assert.ok(TABLE.length > 20);
      for (const row of TABLE) {
        const { name, session, body = '' } = row;
        const { cookie, token } = await app.token();
        const headers = [...(row.headers ?? [])];
        if (session) headers.push(['cookie', cookie]);
        if (session === 'token') headers.push(['x-csrf-token', token]);
        const text = typeof body === 'number' ? 'x'.repeat(body) : body;
        const answer = await app.send({ ...row, headers, body: session === 'form-token' ? `_csrf=${token}&${text}` : text });
        const expected = row.next ?? row;
        assert.equal(answer.status, expected.status, `${name}: ${answer.body}`);
        if (expected.code) assert.equal(JSON.parse(answer.body).code, expected.code, name);
        if (row.next) continue;
        if (expected.code) assert.deepEqual(answer.headers['cache-control'], ['no-store'], name);
        for (const field of PROTECTING) assert.equal(answer.headers[field]?.length, 1, `${name}: ${field}`);
      }
    });

    test('ten quick requests: five pass, and each leaves one event', async () => {
      const quick = [];
      const before = app.events.length;
      for (let count = 0; count < 10; count++) quick.push((await app.send({ target: '/api/test-rate-limit' })).status);
      assert.deepEqual(quick, [200, 200, 200, 200, 200, 429, 429, 429, 429, 429]);
      const ours = () => app.events.slice(before).filter((event) => event['url.path'] === '/api/test-rate-limit' && event['http.request.method'] === 'GET');
      await eventually('ten events', () => ours().length >= 10);
      assert.equal(ours().filter((event) => event['palisade.code'] === 'rate-limited').length, 5);
    });

    test('the guide’s own sequence: missing, invalid, fresh, used again, too long', async () => {
      const post = async (headers, title = 'Hello') => {
        const answer = await app.send({
          method: 'POST', target: '/api/example-protected', headers: [JSON_BODY, ...headers], body: JSON.stringify({ title }),
        });
        return [answer.status, JSON.parse(answer.body).error];
      };
      const { cookie, token } = await app.token();
      const session = [['cookie', cookie], ['x-csrf-token', token]];
      assert.deepEqual(await post([]), [403, 'CSRF token missing']);
      assert.deepEqual(await post([['cookie', cookie], ['x-csrf-token', 'fake']]), [403, 'CSRF token invalid']);
      assert.deepEqual(await post(session), [200, undefined]);
      assert.deepEqual(await post(session), [403, 'CSRF token already used']);
      const other = await app.token();
      const long = await post([['cookie', other.cookie], ['x-csrf-token', other.token]], 'x'.repeat(101));
      assert.deepEqual(long, [400, 'Validation failed']);
    });

    test('a document gets a nonce that its scripts carry, and another one each time', async () => {
      const headers = [['accept', 'text/html'], ['sec-fetch-site', 'none'], ['sec-fetch-mode', 'navigate'], ['sec-fetch-dest', 'document']];
      const nonces = [];
      for (let count = 0; count < 2; count++) {
        const answer = await app.send({ target: '/', headers });
        const [, nonce] = /'nonce-([^']+)'/.exec(answer.headers['content-security-policy'].join()) ?? [];
        const scripts = [...answer.body.matchAll(/<script\b([^>]*)>/g)].map(([, attributes]) => attributes);
        assert.ok(nonce && scripts.length > 0);
        for (const script of scripts) assert.ok(script.includes(`nonce="${nonce}"`), script);
        nonces.push(nonce);
      }
      assert.notEqual(nonces[0], nonces[1]);
    });

    test('the edge runtime carries the same gate', async () => {
      const statuses = [];
      for (let count = 0; count < 6; count++) statuses.push((await app.send({ target: '/edge' })).status);
      assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429]);
    });

    test('an error keeps its insides to itself in production', async () => {
      const answer = await app.send({ target: '/api/boom' });
      assert.equal(answer.status, 500);
      assert.doesNotMatch(answer.body, /SELECT|users\.js/);
    });
  });
}
