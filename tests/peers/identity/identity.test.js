// Clerk's `verifyToken` and a running gate judge the same tokens, each with the key from its configuration and with the
// keys of a server on loopback.

import assert from 'node:assert/strict';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { verifyToken } from '@clerk/backend';
import { Clerk } from '../../support-js/clerk.js';
import { Gate } from '../../support-js/gate.js';
import { Upstream } from '../../support-js/upstream.js';
import { FIXTURES, PARTY } from './support/fixtures.js';
import { policy } from './support/policy.js';

const LEAST = 60;
const clerk = new Clerk();
const workdir = mkdtempSync(path.join(tmpdir(), 'palisade-identity-'));
process.on('exit', () => rmSync(workdir, { recursive: true, force: true }));

let upstream;
let keys;
before(async () => {
  upstream = await Upstream.start();
  keys = await keyServer();
});
after(async () => {
  await upstream?.stop();
  keys?.closeAllConnections();
  keys?.close();
});

/** How each of the two is set up: `clerk` are options of its library, `identity` are lines of our policy. */
const SETUPS = {
  pem: {
    title: 'with the key of the configuration',
    clerk: () => ({ jwtKey: clerk.pem, authorizedParties: [PARTY] }),
    identity: () => [`authorized_parties = ["${PARTY}"]`],
    variables: () => clerk.variables,
  },
  jwks: {
    title: 'with keys that are fetched',
    clerk: () => ({ secretKey: 'sk_live_self', apiUrl: keysUrl(), authorizedParties: [PARTY] }),
    identity: () => [`authorized_parties = ["${PARTY}"]`, `jwks = "${keysUrl()}/v1/jwks"`],
    variables: () => ({ NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: clerk.publishableKey }),
  },
  open: {
    title: 'with no list of parties',
    clerk: () => ({ jwtKey: clerk.pem }),
    identity: () => [],
    variables: () => clerk.variables,
  },
};

for (const [setup, { title, ...sides }] of Object.entries(SETUPS)) {
  describe(`A7: Clerk's library and the gate, ${title}`, () => {
    let gate;
    before(async () => {
      const text = policy(sides.identity());
      gate = await Gate.start({ workdir, policy: text, upstream: upstream.url, variables: sides.variables() });
    });
    after(() => gate?.stop());

    for (const { name, token, ...said } of FIXTURES.filter(({ only = ['pem', 'jwks'] }) => only.includes(setup))) {
      test(name, async () => {
        const shown = token(clerk);
        assert.equal(await byClerk(shown, sides.clerk()), said.clerk, 'Clerk');
        assert.equal(await byGate(shown, gate), said.gate, 'the gate');
      });
    }
  });
}

test('A7: where the two differ the gate is the stricter, and the fixture says why', () => {
  assert.ok(FIXTURES.length >= LEAST, `${FIXTURES.length} fixtures`);
  for (const { name, clerk: theirs, gate: ours, stricter } of FIXTURES) {
    const differ = (theirs === 'valid') !== (ours === 'valid');
    assert.ok(!differ || theirs === 'valid', `${name}: the gate accepts what Clerk refuses`);
    assert.equal(differ, stricter !== undefined, `${name}: a reason exactly where the two differ`);
  }
});

/** `valid`, or the reason that the library gives. */
async function byClerk(token, options) {
  try {
    await verifyToken(token, options);
    return 'valid';
  } catch (error) {
    return error.reason ?? String(error);
  }
}

/** `valid` if the application hears of the caller whom the token names, or the code of the refusal. */
async function byGate(token, gate) {
  upstream.took = [];
  const answer = await gate.request({ path: '/mine', headers: { authorization: `Bearer ${token}` } });
  if (answer.status !== 200) {
    assert.equal(upstream.took.length, 0, 'the application heard of it');
    return JSON.parse(answer.body).code;
  }
  const [took] = upstream.took;
  assert.equal(took.headers['x-palisade-user'], 'user_ann');
  return 'valid';
}

/** Clerk's Backend API, as far as it gives away public keys. */
async function keyServer() {
  const server = http.createServer((_request, answer) => {
    answer.writeHead(200, { 'content-type': 'application/json' }).end(JSON.stringify({ keys: [clerk.jwk] }));
  });
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  return server;
}

const keysUrl = () => `http://127.0.0.1:${keys.address().port}`;
