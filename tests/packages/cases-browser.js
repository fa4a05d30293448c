// The browser's side of the package, in Chromium, on the example app.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser } from '../browser/support/browser.js';
import { eventually } from '../support-js/processes.js';

/** `running` gives the app once it has started. */
export function browserCases(running) {
  let app;
  let browser;
  before(async () => {
    app = running();
    browser = await Browser.launch();
  });
  after(() => browser?.close());

  test('useCsrf brings a token, keeps the next one, and sends no two at once', () =>
    browser.visitor(async (visitor) => {
      const page = await visitor.tab();
      const fetched = [];
      page.on('request', (request) => request.url().endsWith('/api/csrf') && fetched.push(request.url()));
      await page.goto(`http://localhost:${app.port}/form`);
      await page.waitForLoadState('networkidle');
      const says = (text) => page.waitForFunction((wanted) => document.querySelector('output').textContent === wanted, text);
      await page.click('#one');
      await says('200 5');
      await page.click('#many');
      await says('200 5, 200 1, 200 2, 200 3');
      assert.equal(fetched.length, 1, 'each answer brought the next token');
      // What the schema refuses spends no token: the one that was kept is good for the next request.
      await page.click('#long');
      await says('200 5, 200 1, 200 2, 200 3, 400 101');
      await page.click('#one');
      await says('200 5, 200 1, 200 2, 200 3, 400 101, 200 5');
      // The refused body, and nothing else.
      assert.deepEqual(visitor.complaints.filter((text) => !/status of 400/.test(text)), []);
    }));

  test('a server action runs from its page', () =>
    browser.visitor(async (visitor) => {
      const page = await visitor.tab();
      await page.goto(`http://localhost:${app.port}/act`);
      await page.waitForLoadState('networkidle');
      const answered = page.waitForResponse((answer) => answer.request().method() === 'POST');
      await page.click('button');
      assert.equal((await answered).status(), 200);
      await eventually('the action has run', () => app.process.said.includes('acted for ann'));
    }));

  test('a stream is not held back', async () => {
    const started = performance.now();
    const answer = await fetch(`http://localhost:${app.port}/stream`);
    const reader = answer.body.getReader();
    const first = new TextDecoder().decode((await reader.read()).value);
    const between = performance.now();
    let rest = '';
    for (let part = await reader.read(); !part.done; part = await reader.read()) rest += new TextDecoder().decode(part.value);
    assert.deepEqual([answer.status, first, rest], [200, 'data: first\n\n', 'data: second\n\n']);
    assert.ok(performance.now() - between > 1_000, `the first part came ${between - started} ms after the start, with the second`);
  });
}
