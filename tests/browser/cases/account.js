import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';
import { NAVIGATION, cookiesOf } from '../../support-js/http.js';
import { screenshot } from '../support/browser.js';
import { beyondStatus, contentPolicy, scriptNonces } from '../support/policy.js';
import { call, over, signIn } from '../support/session.js';

const ACCOUNT = '/api/example-account';
const OFFERS = '/api/pro/offers';
const POSTS = '/api/users/user_ann/posts';

export default (world) =>
  describe('The signed-in area', () => {
    let gate;
    before(async () => (gate = await world.startGate()));
    after(() => gate?.stop());

    /** A visitor with a session that differs by `changes`; afterwards nobody must have been asked but the gate. */
    const visit = (changes, work) =>
      world.browser.visitor(async (visitor) => {
        world.shop.forget();
        if (changes) await signIn(visitor, gate, world.shop.clerk, changes);
        await work(visitor, await visitor.tab());
        assert.deepEqual([...visitor.hosts], [gate.host]);
        assert.deepEqual(world.shop.strangers(), []);
      });

    test('A7: a good session opens it, and the app reads who it is from the gate and from Clerk', () =>
      visit({ pla: 'u:pro' }, async (visitor, page) => {
        const response = await page.goto(gate.url('/account'));
        assert.equal(response.status(), 200);
        assert.match(await response.headerValue('cache-control'), /no-store/);
        assert.equal(scriptNonces(await contentPolicy(response)).length, 1);
        assert.equal(await page.textContent('#clerk-user'), 'user_ann');
        const said = (name) => page.textContent(`#x-palisade-${name}`);
        assert.equal(await said('user'), 'user_ann');
        assert.equal(await said('session'), 'sess_ann');
        assert.equal(await said('plans'), 'u:pro');
        assert.match(await said('admitted'), /^v1\.\d+\.[0-9a-f]+\.[0-9a-f]{48}\.[\w-]{43}$/);
        await page.waitForLoadState('networkidle');
        await screenshot(page, 'account');
        assert.deepEqual(visitor.complaints, []);
      }));

    test('A7: what a client says of itself does not reach the app', async () => {
      const cookie = `__session=${world.shop.clerk.token({ azp: gate.origin })}; __client_uat=1`;
      const forged = { 'x-palisade-user': 'user_evil', 'X-Palisade-Admitted': 'v1.evil', 'x-palisade-org': 'org_evil' };
      const answer = await gate.request({ path: '/account', headers: { ...NAVIGATION, ...forged, cookie } });
      assert.equal(answer.status, 200);
      assert.match(answer.body, /user_ann/);
      assert.doesNotMatch(answer.body, /evil/);
    });

    test('A13: without a session a browser is sent to the sign-in page', () =>
      visit(null, async (visitor, page) => {
        const response = await page.goto(gate.url('/account'));
        assert.equal(page.url(), signInUrl(gate));
        assert.equal(response.status(), 200);
        await page.waitForLoadState('networkidle');
        await screenshot(page, 'sign-in');
        assert.deepEqual(visitor.complaints, []);
      }));

    test('A13: with an expired session a browser is sent to sign in, and a script is told why', () =>
      visit(over(), async (visitor, page) => {
        await page.goto(gate.url('/account'));
        assert.equal(page.url(), signInUrl(gate));
        const { status, body } = await call(page, OFFERS);
        assert.deepEqual([status, body.code], [401, 'token-expired']);
        assert.deepEqual(await world.shop.effects(), []);
        assert.deepEqual(beyondStatus(visitor.complaints, 401), []);
        await gate.event('token-expired');
      }));

    test('A8: the offers for one plan are refused on another', () =>
      visit({ pla: 'u:free' }, async (visitor, page) => {
        await page.goto(gate.url('/account'));
        const { status, body } = await call(page, OFFERS);
        assert.deepEqual([status, body.code], [403, 'forbidden-plan']);
        const response = await page.goto(gate.url(OFFERS));
        assert.equal(response.status(), 403);
        assert.match(await response.headerValue('content-type'), /^text\/html/);
        await screenshot(page, '403-plan');
        assert.deepEqual(await world.shop.effects(), []);
        assert.deepEqual(beyondStatus(visitor.complaints, 403), []);
      }));

    test('A8: on the plan they are there', () =>
      visit({ pla: 'u:pro' }, async (visitor, page) => {
        await page.goto(gate.url('/account'));
        const { status, body } = await call(page, OFFERS);
        assert.deepEqual([status, body.offers.length], [200, 1]);
        assert.deepEqual(await world.shop.effects(), [{ effect: 'offers', user: 'user_ann' }]);
        assert.deepEqual(visitor.complaints, []);
      }));

    test('A8: nobody writes where another user owns', () =>
      visit({ sub: 'user_bob', sid: 'sess_bob' }, async (visitor, page) => {
        await page.goto(gate.url('/account'));
        const post = { method: 'POST', json: { text: 'Mine now.' }, csrf: true };
        for (const path of [POSTS, '/api/users/user_ann%2Fx/posts', '/api/users/USER_BOB/posts']) {
          const { status, body } = await call(page, path, post);
          const refusal = path.includes('%2F') ? [400, 'path-malformed'] : [403, 'forbidden-owner'];
          assert.deepEqual([status, body.code], refusal, path);
        }
        assert.deepEqual(await world.shop.effects(), []);
        world.shop.forget();
        const own = await call(page, '/api/users/user_bob/posts', post);
        assert.equal(own.status, 201, JSON.stringify(own.body));
        assert.deepEqual(await world.shop.effects(), [{ effect: 'post', user: 'user_bob', text: 'Mine now.' }]);
        assert.deepEqual(beyondStatus(beyondStatus(visitor.complaints, 403), 400), []);
      }));

    test('A3: the account form posts the token that it was rendered with', () =>
      visit({}, async (visitor, page) => {
        await page.goto(gate.url('/account'));
        await page.fill('#title', 'Ann Archer');
        await page.click('form button');
        await page.waitForURL('**/account?saved=yes');
        assert.equal(await page.textContent('main [role=status]'), 'Saved.');
        await screenshot(page, 'account-saved');
        const effects = await world.shop.effects();
        assert.deepEqual(effects, [{ effect: 'example-account', user: 'user_ann', title: 'Ann Archer' }]);
        assert.deepEqual(visitor.complaints, []);
      }));

    const bad = [
      { title: 'without its token', code: 'csrf-token-missing', token: async () => null },
      { title: 'with a token that nobody made', code: 'csrf-token-invalid', token: async () => 'A'.repeat(64) },
      { title: 'with a token of somebody without a session', code: 'csrf-token-invalid', token: strangersToken },
    ];
    for (const { title, code, token } of bad) {
      test(`A3: the account form ${title} is refused`, () =>
        visit({}, async (visitor, page) => {
          await page.goto(gate.url('/account'));
          const value = await token(gate);
          await page.locator('[name=_csrf]').evaluate((field, value) => {
            if (value === null) field.remove();
            else field.value = value;
          }, value);
          await page.fill('#title', 'Mallory');
          const answered = page.waitForResponse(gate.url(ACCOUNT));
          await page.click('form button');
          assert.equal((await answered).status(), 403);
          await page.waitForURL(gate.url(ACCOUNT));
          await gate.event(code);
          assert.deepEqual(await world.shop.effects(), []);
          assert.deepEqual(beyondStatus(visitor.complaints, 403), []);
        }));
    }

    test('A3: a program with a verified bearer token and no cookie needs none', async () => {
      world.shop.forget();
      const authorization = `Bearer ${world.shop.clerk.token({ azp: gate.origin })}`;
      const headers = { authorization, 'content-type': 'application/json' };
      const send = (more) =>
        gate.request({ method: 'POST', path: ACCOUNT, headers: { ...headers, ...more }, body: '{"title":"Bot"}' });
      const answer = await send({});
      assert.deepEqual([answer.status, JSON.parse(answer.body).userId], [200, 'user_ann'], answer.body);
      assert.equal((await send({ cookie: 'any=1' })).status, 403);
      assert.equal((await send({ authorization: 'Basic YW5uOmFubg==' })).status, 403);
      assert.deepEqual(await world.shop.effects(), [{ effect: 'example-account', user: 'user_ann', title: 'Bot' }]);
    });

    test('A7: the app asks again, past the gate', async () => {
      world.shop.forget();
      const { clerk } = world.shop;
      const ask = (token) => world.shop.request({ path: OFFERS, headers: token && { authorization: `Bearer ${token}` } });
      assert.equal((await ask()).status, 401);
      assert.equal((await ask(clerk.token({ pla: 'u:pro', ...over() }))).status, 401);
      assert.equal((await ask(clerk.token({ pla: 'u:free' }))).status, 403);
      assert.deepEqual(await world.shop.effects(), []);
      assert.equal((await ask(clerk.token({ pla: 'u:pro' }))).status, 200);
      assert.deepEqual(world.shop.strangers(), []);
    });
  });

/** Where the gate sends a browser that wants its account: the way back comes along. */
function signInUrl(gate) {
  return gate.url(`/sign-in?${new URLSearchParams({ redirect_url: gate.url('/account') })}`);
}

/** A good token, of a session here that is nobody's. */
async function strangersToken(gate) {
  const page = await gate.request({ path: '/', headers: NAVIGATION });
  const answer = await gate.request({ path: '/api/csrf', headers: { cookie: cookiesOf(page) } });
  return JSON.parse(answer.body).csrfToken;
}
