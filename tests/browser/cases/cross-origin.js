import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { screenshot } from '../support/browser.js';
import { beyondStatus } from '../support/policy.js';
import { Stranger } from '../support/stranger.js';

const MESSAGE = { name: 'Mallory', email: 'mallory@example.com', message: 'Sent by a visitor who did not know.' };

export default (world) =>
  describe('A form on another origin', () => {
    let gate;
    let stranger;
    before(async () => {
      gate = await world.startGate();
      stranger = await Stranger.start();
    });
    after(async () => {
      await stranger?.stop();
      await gate?.stop();
    });

    const attacks = [
      { title: 'of another site', hostname: 'localhost' },
      { title: 'of another port of the same host, where cookies are sent', hostname: '127.0.0.1' },
      { title: 'with a valid token of the attacker', hostname: 'localhost', token: true },
    ];
    for (const { title, hostname, token } of attacks) {
      test(`${title}: a readable 403, and nothing happens`, () =>
        world.browser.visitor(async (visitor) => {
          world.shop.forget();
          const page = await visitor.tab();
          // The victim has a session here already.
          await page.goto(gate.url('/contact'));
          assert.ok((await visitor.context.cookies()).length > 0, 'the victim has a session');
          visitor.complaints.length = 0;

          const fields = token ? { ...MESSAGE, _csrf: await tokenOfAttacker(gate) } : MESSAGE;
          stranger.lure(gate.url('/api/contact'), fields);
          const answered = page.waitForResponse(gate.url('/api/contact'));
          await page.goto(stranger.url(hostname), { waitUntil: 'commit' });
          const response = await answered;
          await page.waitForURL(gate.url('/api/contact'));

          assert.equal(response.status(), 403);
          assert.match(await response.headerValue('content-type'), /^text\/html/);
          assert.match(await response.headerValue('cache-control'), /no-store/);
          assert.ok((await page.innerText('body')).trim().length > 20, 'the page says something');
          assert.deepEqual(await world.shop.effects(), []);
          assert.deepEqual(beyondStatus(visitor.complaints, 403), []);
          await gate.event('csrf-cross-origin');
          await screenshot(page, '403');
        }));
    }
  });

async function tokenOfAttacker(gate) {
  const answer = await gate.request({ path: '/api/csrf' });
  assert.equal(answer.status, 200, answer.body);
  return JSON.parse(answer.body).csrfToken;
}
