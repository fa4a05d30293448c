import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { test } from 'node:test';
import { csrfRoute, withCsrf, withRateLimit } from '../src/index.js';
import { folded } from '../src/fold.js';
import { POLICY, ask, cookieOf, gate } from './support.js';

test('letters are compared here as the guard’s own tables have it', () => {
  // The same file is held against those tables in crates/guard/src/login/fold.rs.
  const corpus = Object.entries(JSON.parse(readFileSync(new URL('../../../tests/support/folds.json', import.meta.url), 'utf8')));
  assert.ok(corpus.length > 1_000);
  const wrong = corpus.filter(([letter, text]) => folded(letter) !== text);
  assert.deepEqual(wrong, []);
  assert.equal(folded('äß'), 'a\nss');
});

test('spellings of one account share its count of failures, as behind the gateway', async () => {
  const login = '\n[[route]]\npath = "/api/login"\nmethods = ["POST"]\nkind = "login"\nlimit = "1000/s"\nidentifier = "email"\nsuccess = { status = 200 }\n';
  gate({ policy: POLICY + login });
  const POST = withRateLimit(withCsrf(() => new Response('no', { status: 401 })));
  const attempt = async (email) => {
    const answer = await csrfRoute(ask('/api/csrf'));
    const headers = { cookie: cookieOf(answer), 'x-csrf-token': (await answer.json()).csrfToken, 'content-type': 'application/json' };
    return POST(ask('/api/login', { method: 'POST', headers, body: JSON.stringify({ email }) }));
  };
  const spellings = ['ÄNNA@shop.example', 'änna@shop.example', 'a\u0308nna@shop.example', 'ａｎｎａ@shop.example'];
  const statuses = [];
  for (let count = 0; count < 12; count++) statuses.push((await attempt(spellings[count % 4])).status);
  // Ten failures an hour of one account and one client (see SIGN_IN), whatever it is spelled like.
  assert.deepEqual(statuses, [...Array(10).fill(401), 403, 403]);
  assert.equal((await attempt('bärbel@shop.example')).status, 401, 'another account has its own count');
});
