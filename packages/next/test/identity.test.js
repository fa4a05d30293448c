import assert from 'node:assert/strict';
import { generateKeyPairSync, sign } from 'node:crypto';
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

/** Who signs by these curves, and which digest goes with each. */
const CURVES = [
  { alg: 'ES256', type: 'ec', options: { namedCurve: 'P-256' }, digest: 'sha256' },
  { alg: 'ES384', type: 'ec', options: { namedCurve: 'P-384' }, digest: 'sha384' },
  { alg: 'EdDSA', type: 'ed25519', options: {}, digest: null },
];

for (const { alg, type, options, digest } of CURVES) {
  test(`tokens signed by ${alg} are verified inside the module, and no other passes for one`, async () => {
    const issuer = 'https://id.example';
    const pair = () => generateKeyPairSync(type, options);
    const [own, other] = [pair(), pair()];
    const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
    const token = ({ privateKey }, kid = 'own') => {
      const seconds = Math.floor(Date.now() / 1000);
      const claims = { iss: issuer, aud: 'shop', sub: 'ann', iat: seconds, nbf: seconds - 1, exp: seconds + 60 };
      const text = `${part({ alg, typ: 'JWT', kid })}.${part(claims)}`;
      return `${text}.${sign(digest, Buffer.from(text), { key: privateKey, dsaEncoding: 'ieee-p1363' }).toString('base64url')}`;
    };
    const jwk = own.publicKey.export({ format: 'jwk' });
    // One that lies on no curve, and one whose first half is another key's.
    const odd = { ...jwk, ...(jwk.y ? { y: jwk.x } : { x: 'A'.repeat(42) + 'g' }) };
    const mixed = { ...jwk, x: other.publicKey.export({ format: 'jwk' }).x };
    const named = (key, kid) => ({ ...key, kid, use: 'sig', alg });
    const keys = [named(jwk, 'own'), named(odd, 'odd'), named(mixed, 'mixed')];
    const policy = POLICY.replace('provider = "clerk"', `provider = "oidc"\nissuer = "${issuer}"\njwks = "${issuer}/jwks.json"\naudience = ["shop"]`).replace(/authorized_parties = .*\n/, '');
    const told = gate({ policy, variables: variables(), fetch: async () => Response.json({ keys }) });
    const status = async (text) => (await GET(bearer(text))).status;

    const good = token(own);
    assert.equal(await status(good), 200, told.errors.join());
    assert.equal(await status(token(other)), 401, 'another key');
    for (const kid of ['odd', 'mixed']) assert.equal(await status(token(own, kid)), 401, kid);
    const [head, claims, signature] = good.split('.');
    const altered = (at) => Buffer.from(signature, 'base64url').map((byte, here) => (here === at ? byte ^ 1 : byte)).toString('base64url');
    const length = Buffer.from(signature, 'base64url').length;
    for (const at of [0, length / 2, length - 1]) assert.equal(await status(`${head}.${claims}.${altered(at)}`), 401, `byte ${at}`);
    for (const byte of [0, 255]) assert.equal(await status(`${head}.${claims}.${Buffer.alloc(length, byte).toString('base64url')}`), 401);
    assert.equal(await status(good), 200);
  });
}

test('a wrapper that wants a caller refuses where the policy wants none', async () => {
  gate({ policy: POLICY.replace('protected-read', 'public-read'), variables: { ...variables(), ...clerk.variables } });
  const answer = await GET(ask('/api/mine'));
  assert.deepEqual([answer.status, (await answer.json()).error], [401, 'Unauthorized']);
  assert.equal((await protect('public-read', () => new Response())(ask('/api/mine'))).status, 200);
});
