// Whatever crosses the boundary between JavaScript and the module: an answer comes back, and the gate still works.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import fc from 'fast-check';
import { Core, Operation } from '../../packages/next/src/core.js';
import { Gate } from '../../packages/next/src/gate.js';

const ORIGIN = 'http://127.0.0.1:3000';
const POLICY = `
[app]
name = "boundary"
public_origin = "${ORIGIN}"
[[route]]
path = "/api/contact"
methods = ["POST"]
kind = "public-form"
limit = "1000/s"
[[route]]
path = "/api/{id}/data"
methods = ["GET"]
kind = "search"
limit = "1000/s"
`;
const errors = [];
const gate = new Gate({
  name: 'p', policy: POLICY, variables: { PALISADE_ENV: 'development', CSRF_SECRET: 'a1'.repeat(20), SESSION_SECRET: 'b2'.repeat(20) },
  event: (line) => JSON.parse(line), warn: () => {}, error: (error) => errors.push(String(error)),
});
const known = ['cookie', 'origin', 'host', 'x-csrf-token', 'authorization', 'content-type', 'content-length', 'content-encoding', 'x-forwarded-for', 'sec-fetch-site', 'x-palisade-admitted', 'next-action', 'forwarded', 'transfer-encoding', 'connection', 'upgrade', 'accept'];
const latin1 = fc.array(fc.integer({ min: 32, max: 255 }).filter((code) => code !== 127), { maxLength: 300 }).map((codes) => String.fromCharCode(...codes).trim());
const name = fc.oneof(fc.constantFrom(...known), fc.stringMatching(/^[a-z0-9!#$%&'*+.^_|~-]{1,30}$/));
const anything = fc.record({
  method: fc.constantFrom('GET', 'POST', 'PUT', 'DELETE', 'PATCH', 'HEAD', 'OPTIONS'),
  target: fc.oneof(fc.constantFrom('/api/contact', '/api/7/data', '/'), fc.webPath().map((path) => `/${path}`), fc.string({ unit: 'binary', maxLength: 60 }).map((text) => `/${encodeURI(text.toWellFormed())}`)),
  headers: fc.array(fc.tuple(name, latin1), { maxLength: 12 }),
  body: fc.option(fc.uint8Array({ maxLength: 2_000 })),
});

test('hostile requests are answered, and none without a token comes through a form', async () => {
  let through = 0;
  await fc.assert(
    fc.asyncProperty(anything, async ({ method, target, headers, body }) => {
      const told = new Headers();
      for (const [field, value] of headers) told.append(field, value);
      const reads = method === 'GET' || method === 'HEAD';
      const request = new Request(ORIGIN + target, { method, headers: told, body: reads ? null : body });
      const answer = await gate.handle(request, ({ url }) => {
        if (new URL(url).pathname === '/api/contact') through++;
        return new Response('ok');
      });
      assert.ok(answer.status >= 200 && answer.status < 500, `${answer.status}`);
      await answer.arrayBuffer();
    }),
    { numRuns: 1_500 },
  );
  assert.equal(through, 0);
  assert.deepEqual(errors, []);
});

test('messages of any bytes, cut anywhere, are answered', () => {
  const core = new Core();
  fc.assert(
    fc.property(fc.integer({ min: 0, max: 20 }), fc.nat(5), fc.uint8Array({ maxLength: 400 }), (operation, handle, bytes) => {
      const { said } = core.call(operation, handle, (message) => message.raw(bytes));
      assert.ok(said >= 0 && said <= 12);
    }),
    { numRuns: 5_000 },
  );
  assert.equal(core.call(Operation.Drop, 0).said, 8);
});
