import assert from 'node:assert/strict';
import { after, before, beforeEach, describe, test } from 'node:test';
import { NAVIGATION, cookiesOf } from '../../support-js/http.js';
import { Notebook, notebookPolicy } from '../support/notebook.js';
import { Stranger } from '../support/stranger.js';

// Browsers resolve names under `localhost` without a network, and trust such origins as they do https: they send
// Sec-Fetch-*. Cookies of `http` origins have no `__Host-` name, hence they can be tossed.
const OURS = 'shop.example.localhost';
const SIBLING = 'evil.example.localhost';
const SITE = 'example.localhost';
const ELSEWHERE = 'evil.other.localhost';

const MALLORY = { sub: 'user_mallory', sid: 'sess_mallory' };
const BOB = { sub: 'user_bob', sid: 'sess_bob' };

export default (world) =>
  describe('A sibling, another port, another tab', () => {
    let gate;
    let notebook;
    let stranger;
    let seen;
    before(async () => {
      notebook = await Notebook.start();
      stranger = await Stranger.start();
      gate = await world.startGate({ hostname: OURS, policy: notebookPolicy, upstream: notebook.url });
    });
    beforeEach(() => {
      notebook.asked.splice(0);
      seen = gate.events.length;
    });
    after(async () => {
      await gate?.stop();
      await stranger?.stop();
      await notebook?.stop();
    });

    const token = (changes) => world.shop.clerk.token({ azp: gate.origin, ...changes });

    /** Signs in as Clerk's script does: a cookie of the page that it runs in. */
    const signIn = (page, changes) =>
      page.evaluate((token) => void (document.cookie = `__session=${token}; path=/`), token(changes));

    /** A tab that shows a page of ours, for ann unless `as` is null. */
    const open = async (visitor, as = {}) => {
      const page = await visitor.tab();
      await page.goto(gate.url('/'));
      if (as) {
        await signIn(page, as);
        await page.goto(gate.url('/'));
      }
      assert.equal(await page.textContent('#user'), as ? (as.sub ?? 'user_ann') : 'nobody');
      notebook.asked.splice(0);
      return page;
    };

    /** Has the server of `hostname` set a cookie, which may replace one that scripts cannot; the browser must take it. */
    const toss = async (visitor, cookie, hostname = SIBLING) => {
      const spelled = ({ domain, path, value }) => domain + path + value;
      const held = async () => (await visitor.context.cookies()).map(spelled);
      const before = new Set(await held());
      const page = await visitor.tab();
      stranger.cookie = cookie;
      await page.goto(stranger.url(hostname));
      stranger.cookie = null;
      assert.ok((await held()).some((one) => !before.has(one)), `the browser takes ${cookie}`);
      await page.close();
    };

    /** Presses the button of the form as it stands and returns the answer's status. */
    const submit = async (page) => {
      const answered = page.waitForResponse(gate.url('/notes'));
      await page.click('form button');
      const response = await answered;
      await page.waitForURL(gate.url('/notes'));
      return response.status();
    };

    /** This test's refusals of that path with that code. */
    const refusals = (code, path) =>
      gate.events.slice(seen).filter((event) => event['palisade.code'] === code && event['url.path'] === path).length;

    const refused = (code, path, count = 1) => gate.event(() => refusals(code, path) >= count);

    /** What mallory got from the gate for herself: her cookie and a token that goes with it. */
    const mallorys = async (cookie = `__session=${token(MALLORY)}`) => {
      const page = await gate.request({ path: '/', headers: { ...NAVIGATION, cookie } });
      const sid = cookiesOf(page);
      assert.match(sid, /^palisade-sid=[\w-]+$/);
      notebook.asked.splice(0);
      return { sid, csrf: /name="_csrf" value="([\w-]+)"/.exec(page.body)[1] };
    };

    for (const [title, hostname, place] of [
      ['by Domain', SIBLING, `Domain=${SITE}; Path=/`],
      ['by Domain and Path', SIBLING, `Domain=${SITE}; Path=/notes`],
      ['by Path from another port', OURS, 'Path=/notes'],
    ]) {
      test(`A3: a session cookie tossed ${title} beside the visitor's own: refused, nothing arrives`, () =>
        world.browser.visitor(async (visitor) => {
          const page = await open(visitor);
          await toss(visitor, `${(await mallorys()).sid}; ${place}`, hostname);
          assert.equal(await submit(page), 400);
          await refused('header-malformed', '/notes');
          assert.deepEqual(notebook.asked, []);
        }));

      test(`A7: a sign-in cookie tossed ${title} beside the visitor's own: refused, nobody's data`, () =>
        world.browser.visitor(async (visitor) => {
          await open(visitor);
          await toss(visitor, `__session=${token(MALLORY)}; ${place.replace('/notes', '/mine')}`, hostname);
          const page = await visitor.tab();
          assert.equal((await page.goto(gate.url('/mine'))).status(), 400);
          await refused('header-malformed', '/mine');
          assert.deepEqual(notebook.asked, []);
        }));
    }

    test("A3: a session cookie and its token, tossed before the visitor came, are not the visitor's", () =>
      world.browser.visitor(async (visitor) => {
        // Nobody's session, or the token would be of another session in any case.
        const { sid, csrf } = await mallorys('x=1');
        await toss(visitor, `${sid}; Domain=${SITE}; Path=/`);
        const page = await visitor.tab();
        await page.goto(gate.url('/'));
        await signIn(page, {});
        await page.locator('[name=_csrf]').evaluate((field, csrf) => (field.value = csrf), csrf);
        assert.equal(await submit(page), 403);
        await refused('csrf-token-invalid', '/notes');
        assert.deepEqual(notebook.asked, ['GET / nobody']);
      }));

    test('A3: a session cookie overwritten from another port: the form that is open is refused', () =>
      world.browser.visitor(async (visitor) => {
        const page = await open(visitor);
        await toss(visitor, `${(await mallorys()).sid}; Path=/`, OURS);
        assert.equal(await submit(page), 403);
        await refused('csrf-token-invalid', '/notes');
        assert.deepEqual(notebook.asked, []);
        await page.goto(gate.url('/'));
        assert.equal(await submit(page), 200);
        assert.deepEqual(notebook.asked, ['GET / user_ann', 'POST /notes user_ann']);
      }));

    test("A3: a sign-in tossed at a visitor who is nobody: the form that is open is not sent as the attacker's", () =>
      world.browser.visitor(async (visitor) => {
        const page = await open(visitor, null);
        await toss(visitor, `__session=${token(MALLORY)}; Domain=${SITE}; Path=/`);
        assert.equal(await submit(page), 403);
        await refused('csrf-token-invalid', '/notes');
        assert.deepEqual(notebook.asked, []);
      }));

    test('A7: a sign-in that nobody signed is nobody', () =>
      world.browser.visitor(async (visitor) => {
        const [header, , signature] = token(MALLORY).split('.');
        const forged = [header, token().split('.')[1], signature].join('.');
        await toss(visitor, `__session=${forged}; Domain=${SITE}; Path=/`);
        const page = await visitor.tab();
        await page.goto(gate.url('/mine'));
        assert.equal(new URL(page.url()).pathname, '/mine');
        await refused('token-invalid', '/mine');
        assert.deepEqual(notebook.asked, []);
      }));

    test('A3: a WebSocket opens for a page of ours and for no other; the cookies of all are the same', () =>
      world.browser.visitor(async (visitor) => {
        const ours = await open(visitor);
        const target = gate.url('/live').replace('http', 'ws');
        assert.equal(await socket(ours, target), 'hello');
        assert.deepEqual(notebook.asked.splice(0), ['GET /live user_ann']);
        for (const [index, hostname] of [SIBLING, OURS, ELSEWHERE].entries()) {
          const page = await visitor.tab();
          await page.goto(stranger.url(hostname));
          assert.equal(await socket(page, target), 'refused', hostname);
          await refused('csrf-cross-origin', '/live', index + 1);
          assert.deepEqual(notebook.asked, [], hostname);
        }
        await visitor.context.clearCookies();
        assert.equal(await socket(ours, target), 'refused', 'nobody is signed in');
        await refused('auth-required', '/live');
        assert.deepEqual(notebook.asked, []);
      }));

    const invalid = { status: 403, code: 'csrf-token-invalid' };
    const changes = [
      { title: 'somebody signs in', from: null, to: {}, ...invalid },
      { title: 'somebody else signs in', from: {}, to: BOB, ...invalid },
      { title: 'the visitor signs out and in again', from: {}, to: { sid: 'sess_again' }, ...invalid },
      { title: 'the visitor signs out', from: {}, to: null, status: 401, code: 'auth-required' },
    ];
    for (const { title, from, to, status, code } of changes) {
      for (const loaded of [false, true]) {
        test(`A3: ${title} in a second tab${loaded ? ', which loads a page' : ''}: the first tab's form is over`, () =>
          world.browser.visitor(async (visitor) => {
            const first = await open(visitor, from);
            const second = await visitor.tab();
            await second.goto(gate.url('/'));
            await visitor.context.clearCookies({ name: '__session' });
            if (to) await signIn(second, to);
            if (loaded) await second.goto(gate.url('/'));
            notebook.asked.splice(0);

            assert.equal(await submit(first), status);
            await refused(code, '/notes');
            assert.deepEqual(notebook.asked, []);

            if (!to) await signIn(second, {});
            await first.goto(gate.url('/'));
            assert.equal(await submit(first), 200);
            const user = to?.sub ?? 'user_ann';
            assert.deepEqual(notebook.asked, [`GET / ${user}`, `POST /notes ${user}`]);
          }));
      }
    }
  });

/** What a page hears from a WebSocket, or that it hears nothing. */
function socket(page, url) {
  return page.evaluate(
    (url) =>
      new Promise((resolve) => {
        const socket = new WebSocket(url);
        socket.onmessage = ({ data }) => resolve(data);
        socket.onclose = () => resolve('refused');
      }),
    url,
  );
}
