import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { fillIn } from '../support/contact.js';
import { screenshot } from '../support/browser.js';

export default (world) =>
  describe('Forms with a CSRF token', () => {
    let gate;
    before(async () => (gate = await world.startGate()));
    after(() => gate?.stop());

    test('a form rendered on the server posts the token it was rendered with', () =>
      world.browser.visitor(async (visitor) => {
        world.shop.forget();
        const page = await visitor.tab();
        await page.goto(gate.url('/contact'));
        assert.ok(await page.inputValue('#plain-form [name=_csrf]'), 'the hidden field has a token');
        await screenshot(page, 'contact');

        await fillIn(page, 'plain', 'Ann');
        await page.click('#plain-form button');
        await page.waitForURL('**/contact?sent=yes');
        assert.match(await page.textContent('main [role=status]'), /has arrived/);
        assert.deepEqual(await world.shop.effects(), [{ effect: 'contact', name: 'Ann', as: 'form' }]);
        assert.deepEqual(visitor.complaints, []);
      }));

    test('a script posts twice, the second time with the token of the first answer', () =>
      world.browser.visitor(async (visitor) => {
        world.shop.forget();
        const page = await visitor.tab();
        const fetched = [];
        page.on('request', (request) => {
          if (new URL(request.url()).pathname === '/api/csrf') fetched.push(request.url());
        });
        await page.goto(gate.url('/contact'));

        const first = await send(page, 'Bea');
        const second = await send(page, 'Bob');
        assert.ok(first.next, 'the first answer brings a token');
        assert.notEqual(first.sent, second.sent, 'a token is used once');
        assert.equal(second.sent, first.next);
        assert.equal(fetched.length, 1, 'one token was fetched, the next came with the answer');
        assert.deepEqual(await world.shop.effects(), [
          { effect: 'contact', name: 'Bea', as: 'json' },
          { effect: 'contact', name: 'Bob', as: 'json' },
        ]);
        assert.deepEqual(visitor.complaints, []);
      }));
  });

/** Sends one message by the page's script; says which token went out and which came back. */
async function send(page, name) {
  const answered = page.waitForResponse((response) => new URL(response.url()).pathname === '/api/contact');
  // The page's script may not be there yet; without it the browser would submit this form as a GET.
  await page.waitForLoadState('networkidle');
  await fillIn(page, 'fetch', name);
  await page.click('#fetch-form button');
  const response = await answered;
  assert.equal(response.status(), 200, await response.text());
  await page.waitForSelector('#fetch-form [role=status]:has-text("200: Your message has arrived")');
  return {
    sent: await response.request().headerValue('x-csrf-token'),
    next: await response.headerValue('x-csrf-token'),
  };
}
