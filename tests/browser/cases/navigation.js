import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { contentPolicy, scriptNonces } from '../support/policy.js';

const STOPS = [
  { link: 'About', heading: 'About the joinery' },
  { link: 'Guestbook', heading: 'Guestbook' },
  { link: 'Admin', heading: 'Stock' },
  { link: 'Shop', heading: 'Good fences' },
];

export default (world) =>
  describe('Client-side navigation', () => {
    let gate;
    before(async () => (gate = await world.startGate()));
    after(() => gate?.stop());

    test('works, and the answers it fetches set no cookie and name no nonce', () =>
      world.browser.visitor(async (visitor) => {
        const page = await visitor.tab();
        const fetched = [];
        page.on('response', (response) => {
          if (response.request().headers().rsc) fetched.push(response);
        });

        await page.goto(gate.url('/'));
        await page.waitForLoadState('networkidle');
        // Without a session the gate is most tempted to start one.
        await visitor.context.clearCookies();
        for (const { link, heading } of STOPS) {
          await page.click(`nav a:has-text("${link}")`);
          await page.waitForSelector(`h1:has-text("${heading}")`);
        }
        await page.goBack();
        await page.waitForSelector('h1:has-text("Stock")');
        await page.waitForLoadState('networkidle');

        assert.deepEqual(visitor.navigations, [gate.url('/')], 'the document was loaded once');
        assert.deepEqual(visitor.complaints, []);
        const prefetches = fetched.filter((response) => response.request().headers()['next-router-prefetch']);
        assert.ok(prefetches.length > 0, 'the page prefetches');
        assert.ok(prefetches.length < fetched.length, 'the page fetches what it shows');
        for (const response of fetched) {
          assert.equal(response.status(), 200, response.url());
          assert.equal(await response.headerValue('set-cookie'), null, response.url());
          assert.deepEqual(scriptNonces(await contentPolicy(response)), [], response.url());
        }
      }));
  });
