// The official libraries sign, `palisade serve` verifies, and what it forwards is verified by the libraries again.

import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, beforeEach, describe, test } from 'node:test';
import { Gate } from '../../support-js/gate.js';
import { eventually } from '../../support-js/processes.js';
import { Upstream } from '../../support-js/upstream.js';
import { PEERS } from './support/peers.js';
import { policy } from './support/policy.js';

const MINUTE = 60_000;
const now = (shift = 0) => new Date(Date.now() + shift);
const workdir = mkdtempSync(path.join(tmpdir(), 'palisade-webhooks-'));
process.on('exit', () => rmSync(workdir, { recursive: true, force: true }));

const secrets = {
  SVIX_SECRET: PEERS.svix.newSecret(),
  STANDARD_SECRET: PEERS.standardwebhooks.newSecret(),
  STRIPE_SECRET: PEERS.stripe.newSecret(),
};
let upstream;
let gate;

before(async () => {
  upstream = await Upstream.start();
  gate = await Gate.start(options());
});

after(async () => {
  await gate?.stop();
  await upstream?.stop();
});

/** A gate in front of the application. */
function options(variables = secrets, mode = 'enforce') {
  return { workdir, policy: policy(mode), upstream: upstream.url, variables };
}

beforeEach(() => Object.assign(upstream, { took: [], status: 200, delay: 0 }));

/** A message that nobody has sent before. */
function message(peer, { id = `evt_${randomUUID()}`, time, secret = secrets[peer.variable], text } = {}) {
  const body = text ?? `{"id": "${id}",\n "text":"grüße \\u0000"}`;
  return { path: peer.path, id, body, headers: peer.sign({ secret, id, body, time }) };
}

const altered = (sent, name, change) => ({ ...sent, headers: { ...sent.headers, [name]: change(sent.headers[name]) } });

/** Sends and wants that refusal; nothing may reach the application. */
async function refused(sent, code, status = 400) {
  const before = upstream.took.length;
  const answer = await post(sent);
  assert.equal(answer.status, status, answer.body);
  assert.equal(JSON.parse(answer.body).code, code);
  assert.equal(upstream.took.length, before, 'the application heard of it');
  return answer;
}

/** One POST over its own connection, byte for byte as given. */
function post({ path, headers, body }, to = gate) {
  return to.request({ method: 'POST', path, headers: { 'content-type': 'application/json', ...headers }, body });
}

async function passes(sent, to = gate) {
  const answer = await post(sent, to);
  assert.equal(answer.status, 200, answer.body);
  assert.equal(answer.body, 'done', 'the application answers');
}

for (const [name, peer] of Object.entries(PEERS)) {
  describe(`A9: ${name}`, () => {
    test('what the library signs passes byte for byte, and the library verifies it behind the gate', async () => {
      const sent = message(peer);
      await passes(sent);
      const [took] = upstream.took;
      assert.deepEqual(took.body, Buffer.from(sent.body));
      // They throw at what they do not believe.
      const verify = (body) => peer.verify({ secret: secrets[peer.variable], body, headers: took.headers });
      verify(took.body);
      assert.throws(() => verify(Buffer.from('{}')), /signature/i);
    });

    test('another body is invalid', async () => {
      const sent = message(peer);
      await refused({ ...sent, body: sent.body.replace('text', 'test') }, 'signature-invalid');
      await refused({ ...sent, body: `${sent.body} ` }, 'signature-invalid');
      await refused({ ...sent, body: '' }, 'signature-invalid');
      await passes(sent);
    });

    test('another secret is invalid', async () => {
      await refused(message(peer, { secret: peer.newSecret() }), 'signature-invalid');
    });

    test('time counts in both directions, also where the library looks back only', async () => {
      await passes(message(peer, { time: now(-4 * MINUTE) }));
      await passes(message(peer, { time: now(4 * MINUTE) }));
      await refused(message(peer, { time: now(-6 * MINUTE) }), 'signature-stale');
      await refused(message(peer, { time: now(6 * MINUTE) }), 'signature-stale');
    });

    test('each header is needed, once', async () => {
      for (const header of Object.values(peer.names)) {
        const sent = message(peer);
        const { [header]: value, ...rest } = sent.headers;
        await refused({ ...sent, headers: rest }, 'signature-missing');
        // http.request sends an array as lines of their own.
        await refused({ ...sent, headers: { ...rest, [header]: [value, value] } }, 'header-malformed');
        await refused({ ...sent, headers: { ...rest, [header]: '' } }, 'signature-invalid');
      }
    });

    test('a signature among others passes, beyond eight none', async () => {
      const separator = peer.names.id ? ' ' : ',';
      const other = peer.names.id ? `v1,${Buffer.alloc(32).toString('base64')}` : `v1=${'0'.repeat(64)}`;
      const with_ = (count) => {
        const sent = message(peer);
        return altered(sent, peer.names.signature, (value) => [value, ...Array(count).fill(other)].join(separator));
      };
      await passes(with_(7));
      await refused(with_(8), 'signature-invalid');
    });

    test('a failed delivery passes again; a done one is a replay, and signed anew it is acknowledged', async () => {
      const sent = message(peer);
      upstream.status = 500;
      assert.equal((await post(sent)).status, 500);
      upstream.status = 200;
      await passes(sent);
      assert.equal(upstream.took.length, 2);
      await refused(sent, 'signature-replayed');
      const retry = message(peer, { id: sent.id, text: sent.body, time: now(2000) });
      const answer = await post(retry);
      assert.deepEqual([answer.status, answer.body], [200, '{"received":true}']);
      assert.equal(upstream.took.length, 2, 'not forwarded');
      await gate.event((event) => {
        return event['palisade.decision'] === 'answer' && event['palisade.tags']?.includes('message-repeated');
      });
    });

    test('of thirty copies at once one reaches the application', async () => {
      const sent = message(peer);
      upstream.delay = 300;
      const answers = await Promise.all(Array.from({ length: 30 }, () => post(sent)));
      assert.equal(upstream.took.length, 1);
      const codes = answers.filter(({ status }) => status !== 200).map(({ body }) => JSON.parse(body).code);
      assert.equal(codes.length, 29);
      assert.deepEqual(codes.filter((code) => !['in-flight', 'signature-replayed'].includes(code)), []);
      const held = answers.find(({ status }) => status === 409);
      assert.ok(Number(held.headers['retry-after']) > 0);
    });

    test('a body beyond the cap is refused before it is read', async () => {
      await refused(message(peer, { text: `{"x":"${'x'.repeat(65 * 1024)}"}` }), 'body-too-large', 413);
    });

    if (peer.names.id) {
      test('another id or time is invalid, and so is what the library would parse leniently', async () => {
        const { id, time } = peer.names;
        await refused(altered(message(peer), id, (value) => `${value}x`), 'signature-invalid');
        await refused(altered(message(peer), id, (value) => `${value}.1`), 'signature-invalid');
        await refused(altered(message(peer), time, (value) => String(Number(value) + 1)), 'signature-invalid');
        for (const lax of ['abc', '.5', 'e0', ' 0']) {
          await refused(altered(message(peer), time, (value) => `${value}${lax}`), 'signature-invalid');
        }
        await refused(altered(message(peer), time, (value) => `+${value}`), 'signature-invalid');
      });
    } else {
      test('another time is invalid, and so is what the library would parse leniently', async () => {
        const { signature } = peer.names;
        const time = (change) => altered(message(peer), signature, (value) => value.replace(/t=(\d+)/, change));
        await refused(time((_, t) => `t=${Number(t) + 1}`), 'signature-invalid');
        await refused(time((_, t) => `t=${t}abc`), 'signature-invalid');
        await refused(time((_, t) => `t=1,t=${t}`), 'signature-invalid');
        await refused(altered(message(peer), signature, (value) => value.replace('v1=', ' v1=')), 'signature-invalid');
        await refused(altered(message(peer), signature, (value) => value.replace('v1=', 'v0=')), 'signature-invalid');
      });
    }
  });
}

test('A9: while a secret is replaced both hold, and the old one ends by itself', async () => {
  const peer = PEERS.stripe;
  const fresh = peer.newSecret();
  const until = now(6000).toISOString().replace(/\.\d+Z$/, 'Z');
  const rotating = await Gate.start(options({
    ...secrets,
    STRIPE_SECRET: fresh,
    STRIPE_SECRET_PREVIOUS: secrets.STRIPE_SECRET,
    STRIPE_SECRET_PREVIOUS_UNTIL: until,
  }));
  try {
    await passes(message(peer), rotating);
    await passes(message(peer, { secret: fresh }), rotating);
    await eventually('the old secret ends', async () => (await post(message(peer), rotating)).status === 400);
    await passes(message(peer, { secret: fresh }), rotating);
  } finally {
    await rotating.stop();
  }
});

test('A9: observing, a forged message is forwarded and told of', async () => {
  const observing = await Gate.start(options(secrets, 'observe'));
  try {
    const peer = PEERS.stripe;
    await passes(message(peer, { secret: peer.newSecret() }), observing);
    await observing.event((event) => {
      return event['palisade.decision'] === 'would-refuse' && event['palisade.code'] === 'signature-invalid';
    });
    assert.equal(upstream.took.length, 1);
  } finally {
    await observing.stop();
  }
});

test('A9: the gate does not start with a secret that is none', async () => {
  for (const secret of ['whsec_', 'whsec_%%%', `whsk_${Buffer.alloc(32, 1).toString('base64')}`]) {
    const broken = await Gate.prepare(options({ ...secrets, SVIX_SECRET: secret }));
    try {
      const [code] = await once(broken.process.child, 'exit');
      assert.equal(code, 2, secret);
    } finally {
      await broken.stop();
    }
  }
});
