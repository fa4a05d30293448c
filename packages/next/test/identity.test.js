import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Clerk } from '../../../tests/support-js/clerk.js';
import { identity, protect, withAuth, withRateLimit } from '../src/index.js';
import { ORIGIN, ask, gate, variables } from './support.js';

const clerk = new Clerk();
const POLICY = `
[app]
name = "inside"
public_origin = "${ORIGIN}"
[identity]
provider = "clerk"
authorized_parties = ["${ORIGIN}"]
[[route]]
path = "/api/mine"
kind = "protected-read"
limit = "1000/s"
`;
const handler = (request) => Response.json(identity(request));
const GET = withRateLimit(withAuth(handler));
const bearer = (token) => ask('/api/mine', { headers: { authorization: `Bearer ${token}` } });

test('a token of Clerk is verified inside the module, by the configured key', async () => {
  gate({ policy: POLICY, variables: { ...variables(), ...clerk.variables } });
  const answer = await GET(bearer(clerk.token({ azp: ORIGIN })));
  assert.equal(answer.status, 200);
  assert.equal((await answer.json()).user, 'user_ann');
  const cookie = await GET(ask('/api/mine', { headers: { cookie: `__session=${clerk.token({ azp: ORIGIN })}` } }));
  assert.equal(cookie.status, 200);
});

test('strangers, forged and expired tokens are refused, and names of the gate are not believed', async () => {
  gate({ policy: POLICY, variables: { ...variables(), ...clerk.variables } });
  const forged = new Clerk().token({ azp: ORIGIN });
  const expired = clerk.token({ azp: ORIGIN, exp: Math.floor(Date.now() / 1000) - 60 });
  const elsewhere = clerk.token({ azp: 'https://evil.example' });
  for (const token of [forged, expired, elsewhere, `${clerk.token()}x`]) assert.equal((await GET(bearer(token))).status, 401);
  assert.equal((await GET(ask('/api/mine'))).status, 401);
  assert.equal((await GET(ask('/api/mine', { headers: { 'x-palisade-user': 'user_ann' } }))).status, 401);
});

test('an issuer’s keys are fetched once for all who ask', async () => {
  let fetched = 0;
  const own = { ...variables(), NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: clerk.publishableKey };
  const jwks = POLICY.replace('provider = "clerk"', `provider = "oidc"\nissuer = "${clerk.issuer}"\njwks = "https://keys.example/jwks.json"\naudience = ["shop"]`);
  const send = async () => (fetched++, Response.json({ keys: [clerk.jwk] }));
  gate({ policy: jwks, variables: own, fetch: send });
  const ask = () => GET(bearer(clerk.token({ azp: ORIGIN, aud: 'shop' }, { cat: undefined })));
  const answers = await Promise.all([ask(), ask(), ask()]);
  assert.deepEqual(answers.map(({ status }) => status), [200, 200, 200]);
  assert.equal(fetched, 1);
});

test('a wrapper that wants a caller refuses where the policy wants none', async () => {
  gate({ policy: POLICY.replace('protected-read', 'public-read'), variables: { ...variables(), ...clerk.variables } });
  const answer = await GET(ask('/api/mine'));
  assert.deepEqual([answer.status, (await answer.json()).error], [401, 'Unauthorized']);
  assert.equal((await protect('public-read', () => new Response())(ask('/api/mine'))).status, 200);
});
