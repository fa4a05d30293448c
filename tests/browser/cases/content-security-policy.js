import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { beyondStatus, contentPolicy, scriptNonces, scriptTags } from '../support/policy.js';
import { eventually } from '../../support-js/processes.js';

export default (world) =>
  describe('Content-Security-Policy', () => {
    let gate;
    before(async () => (gate = await world.startGate()));
    after(() => gate?.stop());

    test('a dynamic page: every script carries the nonce of its response', () =>
      world.browser.visitor(async (visitor) => {
        const page = await visitor.tab();
        const used = [];
        for (let visit = 0; visit < 2; visit += 1) {
          const response = await page.goto(gate.url('/'));
          assert.equal(response.status(), 200);
          const nonces = scriptNonces(await contentPolicy(response));
          assert.equal(nonces.length, 1, 'one nonce in script-src');
          const tags = scriptTags(await response.text());
          assert.ok(tags.length > 0, 'the page has scripts');
          const without = tags.filter((tag) => !tag.includes(`nonce="${nonces[0]}"`));
          assert.deepEqual(without, [], 'scripts without the nonce');
          used.push(nonces[0]);
        }
        assert.notEqual(used[0], used[1], 'a nonce is used once');

        await reacts(page, 'button:has-text("Add to basket")', 'output', (text) => Number(text) > 0);
        assert.deepEqual(visitor.complaints, []);
      }));

    test('a prerendered page: no nonce, no cookie, and it still hydrates', () =>
      world.browser.visitor(async (visitor) => {
        const page = await visitor.tab();
        const response = await page.goto(gate.url('/about'));
        assert.equal(response.status(), 200);
        // Its HTML is the same for everybody: a nonce could not match, a cookie could be cached.
        assert.deepEqual(scriptNonces(await contentPolicy(response)), []);
        assert.equal(await response.headerValue('set-cookie'), null);

        await reacts(page, 'button[aria-controls=hours]', 'button[aria-controls=hours]', (text) => text.startsWith('Hide'));
        assert.ok(await page.isVisible('#hours'));
        assert.deepEqual(visitor.complaints, []);
      }));

    // Next marks its 404 page `private, no-store` although it is prerendered: a gate that
    // goes by Cache-Control alone sends a nonce that no script of the page has.
    test('the prerendered 404 page runs its scripts', () =>
      world.browser.visitor(async (visitor) => {
        const page = await visitor.tab();
        const response = await page.goto(gate.url('/no-such-page'));
        assert.equal(response.status(), 404);
        assert.deepEqual(scriptNonces(await contentPolicy(response)), []);
        await page.waitForLoadState('networkidle');
        assert.deepEqual(beyondStatus(visitor.complaints, 404), []);
      }));
  });

/** Clicks until the page answers: before React has hydrated it, clicks do nothing. */
async function reacts(page, button, output, changed) {
  await eventually(`${button} to react`, async () => {
    await page.locator(button).first().click();
    return changed(await page.locator(output).first().textContent());
  });
}
