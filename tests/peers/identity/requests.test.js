// Which of several tokens counts: Clerk's `authenticateRequest` and a running gate look at the same headers and cookies.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { createClerkClient } from '@clerk/backend';
import { Clerk } from '../../support-js/clerk.js';
import { Gate } from '../../support-js/gate.js';
import { Upstream } from '../../support-js/upstream.js';
import { PARTY } from './support/fixtures.js';
import { policy } from './support/policy.js';

const clerk = new Clerk();
const stranger = new Clerk('clerk.other.example');
const library = createClerkClient({
  publishableKey: clerk.publishableKey,
  secretKey: 'sk_live_self',
  jwtKey: clerk.pem,
  telemetry: { disabled: true },
});
const workdir = mkdtempSync(path.join(tmpdir(), 'palisade-requests-'));
process.on('exit', () => rmSync(workdir, { recursive: true, force: true }));

let upstream;
let gate;
before(async () => {
  upstream = await Upstream.start();
  gate = await Gate.start({ workdir, policy: policy([]), upstream: upstream.url, variables: clerk.variables });
});
after(async () => {
  await gate?.stop();
  await upstream?.stop();
});

/**
 * Why the library calls a request signed out that shows a good token: `__client_uat`, which no signature covers, does not
 * fit it. A browser that loads a page is then sent through Clerk's handshake, which the gate must not cut short; so it
 * takes the session for what it is, until its token is over.
 */
const HANDSHAKE = [
  'session-token-and-uat-missing',
  'session-token-but-no-client-uat',
  'session-token-iat-before-client-uat',
];

async function byClerk(headers) {
  const state = await library.authenticateRequest(new Request('https://shop.example/mine', { headers }), {});
  return state.status === 'signed-in' ? { user: state.toAuth().userId } : { user: null, reason: state.reason };
}

async function byGate(headers) {
  upstream.took = [];
  const answer = await gate.request({ path: '/mine', headers });
  assert.ok([200, 401].includes(answer.status), answer.body);
  return answer.status === 200 ? upstream.took[0].headers['x-palisade-user'] : null;
}

const now = () => Math.floor(Date.now() / 1000);
const session = (sub, age, more = {}) =>
  clerk.token({ sub, iat: now() - age, nbf: now() - age, azp: PARTY, ...more });

describe('A7: Clerk\'s library and the gate take the same token', () => {
  const header = (make) => ({ authorization: make(session('user_header', 10)) });
  const cookie = () => ({ cookie: `__session=${session('user_cookie', 10)}; __client_uat=5` });
  const spellings = {
    Bearer: (token) => `Bearer ${token}`,
    'bearer in lower case': (token) => `bearer ${token}`,
    Basic: () => 'Basic YW5uOmFubg==',
    'no scheme': (token) => token,
    'two spaces': (token) => `Bearer  ${token}`,
    'a bad token': () => 'Bearer a.b.c',
    'no token': () => 'Bearer ',
  };
  for (const [name, make] of Object.entries(spellings)) {
    test(`Authorization, ${name}`, async () => {
      for (const headers of [header(make), { ...header(make), ...cookie() }]) {
        assert.equal(await byGate(headers), (await byClerk(headers)).user);
      }
    });
  }

  test('Authorization, a word more: RFC 6750 section 2.1 has none, so the gate is the stricter', async () => {
    const headers = header((token) => `Bearer ${token} x`);
    assert.deepEqual([await byGate(headers), (await byClerk(headers)).user], [null, 'user_header']);
  });

  test('of every combination of session cookies, or the gate knows of a handshake', async () => {
    const suffix = createHash('sha1').update(clerk.publishableKey).digest('base64').slice(0, 8);
    const suffixed = (name) => `${name}_${suffix.replaceAll('+', '-').replaceAll('/', '_')}`;
    const plain = {
      none: () => undefined,
      old: () => session('user_plain', 50),
      new: () => session('user_plain', 10),
      over: () => session('user_plain', 100, { exp: now() - 30 }),
      foreign: () => stranger.token({ sub: 'user_foreign', azp: PARTY }),
      garbage: () => 'garbage',
    };
    const named = {
      none: () => undefined,
      old: () => session('user_suffixed', 50),
      new: () => session('user_suffixed', 10),
      over: () => session('user_suffixed', 100, { exp: now() - 30 }),
    };
    const times = {
      none: () => undefined,
      out: () => '0',
      before: () => String(now() - 200),
      after: () => String(now() - 5),
    };
    const seen = { alike: 0, handshake: 0 };
    for (const [p, s, u, v] of combinations(plain, named, times, times)) {
      const pairs = [['__session', plain[p]()], [suffixed('__session'), named[s]()]];
      pairs.push(['__client_uat', times[u]()], [suffixed('__client_uat'), times[v]()]);
      const line = pairs.filter(([, value]) => value !== undefined).map((pair) => pair.join('=')).join('; ');
      const headers = line === '' ? {} : { cookie: line };
      const [theirs, ours] = [await byClerk(headers), await byGate(headers)];
      const what = `plain ${p}, suffixed ${s}, uat ${u}, suffixed uat ${v}: ${theirs.reason ?? theirs.user}`;
      if (ours === theirs.user) seen.alike += 1;
      else {
        assert.equal(theirs.user, null, `${what}: the gate says ${ours}`);
        assert.ok(HANDSHAKE.includes(theirs.reason), `${what}: the gate says ${ours}`);
        seen.handshake += 1;
      }
    }
    assert.equal(seen.alike + seen.handshake, 6 * 4 * 4 * 4);
    assert.ok(seen.alike > seen.handshake, JSON.stringify(seen));
  });
});

function combinations(...tables) {
  return tables.reduce((rows, table) => rows.flatMap((row) => Object.keys(table).map((name) => [...row, name])), [[]]);
}
