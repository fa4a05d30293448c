import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { screenshot } from '../support/browser.js';
import { fillIn } from '../support/contact.js';
import { beyondStatus } from '../support/policy.js';

const LIMIT = 5;
// After this time one more request is allowed (5/min: one every 12 s).
const RECOVERS_MS = 10_000;

export default (world) =>
  describe('Rate limit', () => {
    let gate;
    before(async () => (gate = await world.startGate()));
    after(() => gate?.stop());

    test('six submits within ten seconds: the sixth shows a page that says when to retry', () =>
      world.browser.visitor(async (visitor) => {
        world.shop.forget();
        // Six tabs, filled in beforehand: a slow machine must not stretch the submits beyond
        // ten seconds. It also shows that the tokens of several tabs leave each other alone.
        const tabs = [];
        for (let number = 1; number <= LIMIT + 1; number += 1) {
          const page = await visitor.tab();
          await page.goto(gate.url('/contact'));
          await fillIn(page, 'plain', `Guest${number}`);
          tabs.push(page);
        }

        const started = Date.now();
        const answers = [];
        for (const page of tabs) {
          const answered = page.waitForResponse(gate.url('/api/contact'));
          await page.click('#plain-form button', { noWaitAfter: true });
          answers.push(await answered);
        }
        assert.ok(Date.now() - started < RECOVERS_MS, 'this machine is too slow for this test');
        assert.deepEqual(answers.map((answer) => answer.status()), [303, 303, 303, 303, 303, 429]);

        const refused = answers.at(-1);
        assert.match(await refused.headerValue('content-type'), /^text\/html/);
        assert.match(await refused.headerValue('cache-control'), /no-store/);
        const seconds = Number(await refused.headerValue('retry-after'));
        assert.ok(seconds >= 1 && seconds <= 60, `Retry-After in seconds, not ${seconds}`);

        const page = tabs.at(-1);
        await page.waitForURL(gate.url('/api/contact'));
        const text = await page.innerText('body');
        assert.match(text, /too many requests/i);
        assert.match(text, /\d+\s*seconds?|minute/i, 'the text says when to retry');
        assert.deepEqual(beyondStatus(visitor.complaints, 429), []);
        await gate.event('rate-limited');
        await screenshot(page, '429');

        const effects = await world.shop.effects();
        assert.deepEqual(effects.map(({ name }) => name), ['Guest1', 'Guest2', 'Guest3', 'Guest4', 'Guest5']);
      }));
  });
