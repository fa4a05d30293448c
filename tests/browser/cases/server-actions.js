import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { NAVIGATION, cookiesOf } from '../../support-js/http.js';
import { eventually } from '../../support-js/processes.js';

// `/_not-found` and unknown paths answer 404 and still run the action, were the gate not there.
const PATHS = ['/', '/nosuch', '/_not-found', '/about', '/favicon.ico', '/about.rsc'];

const FOREIGN = { origin: 'https://evil.example', 'sec-fetch-site': 'cross-site', 'sec-fetch-mode': 'cors' };

export default (world) =>
  describe('Server actions', () => {
    let gate;
    before(async () => (gate = await world.startGate()));
    after(() => gate?.stop());

    test('without the gate, the action of /admin runs from any page (the attack is real)', async () => {
      world.shop.forget();
      await invoke(world.shop, { path: '/nosuch', action: world.shop.actionId('restock'), headers: {} });
      assert.deepEqual(await world.shop.effects(), [{ effect: 'restock', amount: '' }]);
    });

    for (const path of PATHS) {
      test(`the action of /admin, sent to ${path}, does not run`, async () => {
        world.shop.forget();
        const action = world.shop.actionId('restock');
        const cookie = await session(gate);
        const attempts = [{}, { cookie }, { ...FOREIGN }, { cookie, ...FOREIGN }];
        for (const headers of attempts) {
          const answer = await invoke(gate, { path, action, headers });
          assert.ok(answer.status >= 400, `${answer.status} for ${JSON.stringify(headers)}`);
        }
        assert.deepEqual(await world.shop.effects(), []);
      });
    }

    test('a page runs its own action, called by its script', () =>
      world.browser.visitor(async (visitor) => {
        world.shop.forget();
        const page = await visitor.tab();
        await page.goto(gate.url('/guestbook'));
        // Submitted before React is there, the form would take the way without scripts.
        await page.waitForLoadState('networkidle');
        const posted = page.waitForRequest((sent) => sent.method() === 'POST');
        await sign(page, 'Cleo');
        assert.ok(await (await posted).headerValue('next-action'), 'the request is a script\'s');
        await page.waitForSelector('[role=status]:has-text("Thank you, Cleo")');
        await page.waitForSelector('.entries li:has-text("A fine gate")');
        assert.deepEqual(await world.shop.effects(), [{ effect: 'guestbook', name: 'Cleo' }]);
        assert.deepEqual(visitor.complaints, []);
      }));

    test('a page runs its own action as a plain form, without scripts', () =>
      world.browser.visitor(
        async (visitor) => {
          world.shop.forget();
          const page = await visitor.tab();
          await page.goto(gate.url('/guestbook'));
          await sign(page, 'Dora');
          await page.waitForSelector('[role=status]:has-text("Thank you, Dora")');
          assert.deepEqual(await world.shop.effects(), [{ effect: 'guestbook', name: 'Dora' }]);
        },
        { javaScriptEnabled: false },
      ));

    test('the action of /admin runs from /admin', () =>
      world.browser.visitor(async (visitor) => {
        world.shop.forget();
        const page = await visitor.tab();
        await page.goto(gate.url('/admin'));
        await page.waitForLoadState('networkidle');
        await page.fill('#amount', '12');
        await page.click('button:has-text("Restock")');
        const effects = await eventually('the action to run', async () => {
          // Asking leaves a line of its own each time.
          const done = (await world.shop.effects()).filter(({ effect }) => effect !== 'test-rate-limit');
          return done.length > 0 && done;
        });
        assert.deepEqual(effects, [{ effect: 'restock', amount: '12' }]);
        assert.deepEqual(visitor.complaints, []);
      }));
  });

/** Calls a server action as Next's own client does, but from anywhere. */
function invoke(server, { path, action, headers }) {
  const asNext = { accept: 'text/x-component', 'content-type': 'text/plain;charset=UTF-8', 'next-action': action };
  return server.request({ method: 'POST', path, headers: { ...asNext, ...headers }, body: '[]' });
}

async function session(gate) {
  const answer = await gate.request({ path: '/', headers: NAVIGATION });
  const cookies = cookiesOf(answer);
  assert.ok(cookies, 'a document navigation brings a session cookie');
  return cookies;
}

async function sign(page, name) {
  await page.fill('#guest', name);
  await page.fill('#text', 'A fine gate');
  await page.click('button:has-text("Sign")');
}
