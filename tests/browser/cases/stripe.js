import assert from 'node:assert/strict';
import { randomUUID } from 'node:crypto';
import { after, before, describe, test } from 'node:test';
import Stripe from 'stripe';

const PATH = '/api/webhooks/stripe';
const MINUTE = 60;
const COPIES = 100;
const now = (shift = 0) => Math.floor(Date.now() / 1000) + shift;

export default (world) =>
  describe('A webhook that Stripe\'s library signs', () => {
    let gate;
    before(async () => (gate = await world.startGate()));
    after(() => gate?.stop());

    /** An event that nobody has sent before, spelled as no JSON library would. */
    const event = ({ secret = world.shop.stripeSecret, timestamp = now() } = {}) => {
      const id = `evt_${randomUUID()}`;
      const payload = `{ "id":"${id}",\r\n\t"object":"event", "type":"charge.succeeded", "note":"gr\\u00fc\u00dfe 🦀" }\n`;
      const signature = Stripe.webhooks.generateTestHeaderString({ payload, secret, timestamp });
      return { id, body: payload, headers: { 'content-type': 'application/json', 'stripe-signature': signature } };
    };
    const send = ({ headers, body }, to = gate) => to.request({ method: 'POST', path: PATH, headers, body });

    /** Sends and wants that refusal; nothing may reach the app. */
    const refused = async (sent, code) => {
      world.shop.forget();
      const answer = await send(sent);
      assert.deepEqual([answer.status, JSON.parse(answer.body).code], [400, code]);
      assert.deepEqual(await world.shop.effects(), []);
    };

    test('A9: it reaches the app once, which verifies the same bytes again; its copy is refused', async () => {
      world.shop.forget();
      const sent = event();
      const answer = await send(sent);
      assert.deepEqual([answer.status, answer.body], [200, '{"received":true}']);
      assert.deepEqual(await world.shop.effects(), [{ effect: 'stripe', id: sent.id, type: 'charge.succeeded' }]);
      await refused(sent, 'signature-replayed');
    });

    test(`A9: of ${COPIES} copies at once one reaches the app`, async () => {
      world.shop.forget();
      const sent = event();
      const answers = await Promise.all(Array.from({ length: COPIES }, () => send(sent)));
      assert.equal(answers.filter(({ status }) => status === 200).length, 1);
      assert.deepEqual(await world.shop.effects(), [{ effect: 'stripe', id: sent.id, type: 'charge.succeeded' }]);
    });

    const header = (sent, change) => {
      const signature = change(sent.headers['stripe-signature']);
      return { ...sent, headers: { ...sent.headers, 'stripe-signature': signature } };
    };
    const body = (sent, change) => ({ ...sent, body: change(sent.body) });
    const mutations = {
      'another id': ['signature-invalid', () => body(event(), (text) => text.replace(/evt_[^"]+/, `evt_${randomUUID()}`))],
      'another body': ['signature-invalid', () => body(event(), (text) => text.replace('charge', 'refund'))],
      'the same JSON in other bytes': ['signature-invalid', () => body(event(), (text) => JSON.stringify(JSON.parse(text)))],
      'another secret': ['signature-invalid', () => event({ secret: `whsec_${randomUUID()}` })],
      'another time': ['signature-invalid', () => header(event(), (text) => text.replace(/t=\d+/, `t=${now(-1)}`))],
      'a time long ago': ['signature-stale', () => event({ timestamp: now(-6 * MINUTE) })],
      'a time to come, which the library accepts': ['signature-stale', () => event({ timestamp: now(6 * MINUTE) })],
      'no signature': ['signature-missing', () => header(event(), () => [])],
    };
    for (const [title, [code, make]] of Object.entries(mutations)) {
      test(`A9: ${title}: ${code}`, () => refused(make(), code));
    }

    test('A9: past the gate the app refuses a forgery by itself', async () => {
      world.shop.forget();
      const answer = await send(event({ secret: `whsec_${randomUUID()}` }), world.shop);
      assert.equal(answer.status, 400);
      assert.deepEqual(await world.shop.effects(), [{ effect: 'stripe-refused' }]);
    });
  });
