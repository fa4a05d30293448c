// The dashboard of `palisade demo --attack` in a real Chromium. SCREENSHOT_DIR=folder keeps a picture of every page.

import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { Browser, screenshot } from './support/browser.js';
import { Demo } from './support/demo.js';

const PAGES = [
  '/',
  '/incidents',
  '/events',
  '/events?status=429&since=1h',
  '/normal',
  '/rules',
  '/readiness',
  '/report',
];
const LOOKS = ['light', 'dark'].flatMap((colorScheme) => [
  [colorScheme, { colorScheme, viewport: { width: 1280, height: 900 } }],
  [`${colorScheme}-phone`, { colorScheme, viewport: { width: 375, height: 760 }, isMobile: true }],
]);

let browser;
let demo;

before(async () => {
  browser = await Browser.launch();
  demo = await Demo.start('--attack');
});

after(async () => {
  await browser?.close();
  await demo?.stop();
});

/** Types the token as a person does. */
async function signIn(page, name = 'Ann') {
  await page.goto(`${demo.admin}/`);
  await page.fill('#token', demo.token);
  await page.fill('#name', name);
  await Promise.all([page.waitForURL(`${demo.admin}/`), page.click('button')]);
}

/** The list of incidents, once there is one. */
async function toIncidents(page, query = '') {
  await page.goto(`${demo.admin}/incidents${query}`);
  while ((await page.locator('tbody th a').count()) === 0) {
    await page.waitForTimeout(200);
    await page.reload();
  }
}

/** Presses Tab until the element that has the focus fits. */
async function tabTo(page, fits) {
  for (let presses = 0; presses < 150; presses += 1) {
    await page.keyboard.press('Tab');
    if (await page.evaluate(fits)) return;
  }
  assert.fail('the keyboard does not get there');
}

test('the link signs in once, and its code leaves the address', async () => {
  await browser.visitor(async (visitor) => {
    const page = await visitor.tab();
    await page.goto(demo.link);
    await page.waitForURL(`${demo.admin}/`);
    assert.equal(await page.textContent('h1'), 'Overview');
    assert.ok(!visitor.navigations.slice(1).some((url) => url.includes('#')), visitor.navigations.join(' '));
    await page.goBack().catch(() => {});
    assert.ok(!page.url().includes('#'), page.url());
    assert.deepEqual(visitor.complaints, []);
    assert.deepEqual([...visitor.hosts], [new URL(demo.admin).host]);
  });
  await browser.visitor(async (visitor) => {
    const page = await visitor.tab();
    await page.goto(demo.link);
    await page.waitForSelector('[role=alert]');
    assert.equal(page.url(), `${demo.admin}/sign-in`);
  });
});

test('an incident is acknowledged by keyboard alone', async () => {
  await browser.visitor(async (visitor) => {
    const page = await visitor.tab();
    await signIn(page);
    await toIncidents(page, '?state=open');
    await tabTo(page, () => document.activeElement.matches('tbody th a'));
    await Promise.all([page.waitForURL(/incidents\/[0-9a-f]{32}$/), page.keyboard.press('Enter')]);
    await tabTo(page, () => document.activeElement.id === 'note-acknowledge');
    await page.keyboard.type('on it');
    await tabTo(page, () => document.activeElement.matches('button.main'));
    const outline = await page.evaluate(() => getComputedStyle(document.activeElement).outlineStyle);
    assert.notEqual(outline, 'none', 'who uses the keyboard sees where they are');
    await Promise.all([page.waitForNavigation(), page.keyboard.press('Enter')]);
    assert.match(await page.textContent('p.lead'), /acknowledged/);
    assert.match(await page.textContent('dl.facts'), /by Ann/);
    await screenshot(page, 'incident-light');
    assert.deepEqual(visitor.complaints, []);
  });
});

test('the front page follows what happens, and comes back after the connection broke', async () => {
  await browser.visitor(async (visitor) => {
    const page = await visitor.tab();
    let asked = 0;
    await page.route('**/live', (route) => {
      asked += 1;
      // The first connection ends at once, as it does when the gate is restarted.
      if (asked > 1) return route.continue();
      return route.fulfill({ contentType: 'text/event-stream', body: 'retry: 50\n\n' });
    });
    await signIn(page);
    const requests = () => page.textContent('dl.figures dd');
    const before = Number((await requests()).replace(/\D/g, ''));
    for (let count = 0; count < 7; count += 1) await fetch(`${demo.origin}/api/test-rate-limit`);
    await page.waitForFunction(
      (before) => Number(document.querySelector('dl.figures dd').textContent.replace(/\D/g, '')) >= before + 7,
      before,
    );
    assert.ok(asked > 1);
    assert.match(await page.textContent('#open'), /^\d+$/);
    assert.equal((await page.textContent('#link')).trim(), 'Live.');
  });
});

test('every page is calm in light and dark, on a desk and on a phone', async () => {
  for (const [look, options] of LOOKS) {
    await browser.visitor(async (visitor) => {
      const page = await visitor.tab();
      await page.goto(`${demo.admin}/sign-in`);
      await calm(page, 'sign-in', look);
      await signIn(page);
      await toIncidents(page);
      const incident = await page.locator('tbody th a').first().getAttribute('href');
      for (const path of PAGES) {
        await page.goto(demo.admin + path);
        await calm(page, path.replace(/\W+/g, '') || 'overview', look);
      }
      await page.goto(demo.admin + incident);
      await calm(page, 'incident', look);
      assert.deepEqual(visitor.complaints, []);
      // The status of a page that is not there is told on the console too.
      await page.goto(`${demo.admin}/nothing-here`);
      await calm(page, 'missing', look);
    }, options);
  }
});

test('it is readable, and signs in, without a script', async () => {
  await browser.visitor(async (visitor) => {
    const page = await visitor.tab();
    await signIn(page);
    for (const path of PAGES) {
      const answer = await page.goto(demo.admin + path);
      assert.equal(answer.status(), 200, path);
    }
    await page.goto(`${demo.admin}/events?status=429`);
    assert.match(await page.textContent('tbody'), /rate-limited/);
  }, { javaScriptEnabled: false });
});

/** Nothing is faint, nothing is cut off, and every table and plot has its words. */
async function calm(page, name, look) {
  const where = `${name} in ${look}`;
  await screenshot(page, `${name}-${look}`);
  assert.deepEqual(await faint(page), [], where);
  const wide = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.ok(wide <= 0, `${where} is ${wide} pixels too wide`);
  assert.equal(await page.locator('main h1').count(), 1, where);
  assert.equal(await page.locator('table:not(:has(caption))').count(), 0, `every table of ${where} has a caption`);
  assert.equal(await page.locator('svg:not([aria-hidden]):not([aria-label])').count(), 0, `every plot of ${where} has its words`);
}

/** Texts whose contrast with what is behind them is below 4.5 (WCAG 2.2, 1.4.3), and shapes of plots. */
function faint(page) {
  return page.evaluate(() => {
    const numbers = (text) => (text.match(/[\d.]+/g) ?? []).map(Number);
    const light = ([red, green, blue]) => {
      const [r, g, b] = [red, green, blue].map((value) => {
        const part = value / 255;
        return part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4;
      });
      return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const behind = (element) => {
      for (let at = element; at; at = at.parentElement) {
        const ground = numbers(getComputedStyle(at).backgroundColor);
        if (ground.length === 3 || ground[3] === 1) return ground;
      }
      return [255, 255, 255];
    };
    const ink = (element) => {
      const style = getComputedStyle(element);
      return element instanceof SVGElement ? style.fill : style.color;
    };
    const apart = (element) => {
      const [one, other] = [numbers(ink(element)), behind(element)].map(light);
      return (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    };
    const texts = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    const found = new Set();
    while (texts.nextNode()) {
      const element = texts.currentNode.parentElement;
      if (!texts.currentNode.data.trim() || !element.checkVisibility() || element.closest('.skip, option')) continue;
      const contrast = apart(element);
      if (contrast < 4.5) found.add(`${element.className || element.tagName}: ${contrast.toFixed(2)}`);
    }
    // Of plots three is enough (1.4.11).
    for (const shape of document.querySelectorAll('svg rect')) {
      const contrast = apart(shape);
      if (contrast < 3) found.add(`rect ${shape.getAttribute('class')}: ${contrast.toFixed(2)}`);
    }
    return [...found];
  });
}
