// Tokens, and what two verifiers say of each: Clerk's own library, and the gate. `valid` or a word for why not.
//
// Where Clerk accepts and the gate does not, `stricter` says why that is right. The other way round there is no excuse.

import { generateKeyPairSync } from 'node:crypto';
import { base64url } from '../../../support-js/clerk.js';

export const PARTY = 'https://shop.example';

const VALID = { clerk: 'valid', gate: 'valid' };
const now = (shift = 0) => Math.floor(Date.now() / 1000) + shift;
const other = generateKeyPairSync('rsa', { modulusLength: 2048 });
const curve = generateKeyPairSync('ec', { namedCurve: 'P-256' });
const edwards = generateKeyPairSync('ed25519');

/** A session that differs in claims, or in its header. */
const claims = (changes) => (clerk) =>
  clerk.token({ azp: PARTY, ...(typeof changes === 'function' ? changes() : changes) });
const header = (changes) => (clerk) => clerk.token({ azp: PARTY }, changes);
/** A session whose payload is spelled otherwise before it is signed: `change` gets the JSON of the usual one. */
const spelled = (change) => (clerk) => clerk.compact(JSON.stringify(clerk.header), change(payload(clerk)));
const payload = (clerk, changes = {}) => JSON.stringify(clerk.claims({ azp: PARTY, ...changes }));
/** A session signed by somebody else, or otherwise. */
const signed = (head, how) => (clerk) => {
  const changed = JSON.stringify({ ...clerk.header, ...head });
  return clerk.compact(changed, payload(clerk), typeof how === 'function' ? how(clerk) : how);
};
/** A good session, changed after it was signed. */
const afterwards = (change) => (clerk) => change(clerk.token({ azp: PARTY }).split('.'), clerk).join('.');
/** A session whose parts are encoded otherwise before they are signed. */
const encoded = (encode) => (clerk) => {
  const parts = [JSON.stringify(clerk.header), payload(clerk)].map(encode).join('.');
  return `${parts}.${clerk.signature(parts)}`;
};

const fixture = (verdict) => (name, token, more = {}) => ({ name, token, ...verdict, ...more });
const valid = fixture(VALID);
const refused = (clerk, gate = 'token-invalid') => fixture({ clerk, gate });
const stricter = (why, gate = 'token-invalid') => fixture({ clerk: 'valid', gate, stricter: why });

const shape = refused('token-invalid');
const algorithm = refused('token-invalid-algorithm');
const signature = refused('token-invalid-signature');
const type = refused('token-invalid');
const claim = refused('token-verification-failed');
const party = refused('token-invalid-authorized-parties');

const ISSUER = 'another issuer with the same key, or none: RFC 8725 section 3.8 wants it checked';
const OWN_KEY = 'a header that brings a key or names one: nobody who reads it later may be led there';
const CRITICAL = 'RFC 7515 section 4.1.11: what must be understood and is not must be refused';
const TWICE = 'a parser that keeps the first of two and one that keeps the last read two different tokens';
const ONE_SPELLING = 'RFC 7515 section 2: base64url without padding, so that a token has one spelling';
const TYPE = 'a member of the wrong type is no member of its name';
const JSON_TEXT = 'RFC 8259 sections 2 and 8: what is no JSON, or not UTF-8, is read differently by each parser';
const SUBJECT = 'OpenID Connect Core section 2: 1 to 255 ASCII characters; it becomes a header of the request';

export const FIXTURES = [
  // === what a session looks like ===
  valid('a session, version 2', claims({})),
  valid('a session, version 1, of an organization',
    claims({ v: undefined, sts: undefined, org_id: 'org_1', org_role: 'org:admin', org_permissions: ['org:a:read'] })),
  valid('a session, version 2, of an organization with plans',
    claims({ pla: 'u:free,o:pro', fea: 'o:teams', o: { id: 'org_1', rol: 'admin', per: 'read', fpm: '1' } })),
  valid('claims that nobody knows', claims({ metadata: { nested: [1, { deep: true }] }, email: 'ann@shop.example' })),
  valid('a header member that nobody knows', header({ oiat: 1_700_000_000, pay: 'load' })),
  valid('letters beyond ASCII', claims({ name: 'Grüße, Ann 🦀' })),
  valid('without sid', claims({ sid: undefined })),
  valid('an audience that nobody asked for', claims({ aud: 'convex' })),
  valid('8 KiB of claims', claims({ metadata: 'x'.repeat(8 << 10) })),
  stricter('no head of a request is longer than 16 KiB', 'head-too-large')('20 KiB of claims',
    claims({ metadata: 'x'.repeat(20 << 10) })),

  // === algorithms ===
  algorithm('alg none, no signature', signed({ alg: 'none' }, { algorithm: 'none' })),
  algorithm('alg none, the signature still there', header({ alg: 'none' })),
  algorithm('alg None', header({ alg: 'None' })),
  algorithm('no alg', header({ alg: undefined })),
  algorithm('alg null', header({ alg: null })),
  algorithm('alg a list', header({ alg: ['RS256'] })),
  algorithm('alg in lower case', header({ alg: 'rs256' })),
  algorithm('HS256 by the public key in PEM',
    signed({ alg: 'HS256' }, (clerk) => ({ algorithm: 'HS256', key: clerk.pem }))),
  algorithm('HS256 by the public key in DER',
    signed({ alg: 'HS256' }, (clerk) => ({ algorithm: 'HS256', key: clerk.der }))),
  algorithm('ES256 by a key of its own', signed({ alg: 'ES256' }, { algorithm: 'ES256', key: curve.privateKey })),
  algorithm('EdDSA by a key of its own', signed({ alg: 'EdDSA' }, { algorithm: 'EdDSA', key: edwards.privateKey })),
  algorithm('PS256', header({ alg: 'PS256' })),
  claim('RS384 by the right key, which is published for RS256', signed({ alg: 'RS384' }, { algorithm: 'RS384' })),
  claim('RS512 by the right key, which is published for RS256', signed({ alg: 'RS512' }, { algorithm: 'RS512' })),
  claim('RS384 that is RS256', header({ alg: 'RS384' })),
  signature('RS256 that is RS384', signed({}, { algorithm: 'RS384' })),
  signature('RS256 by another key', signed({}, { key: other.privateKey })),

  // === keys ===
  valid('kid of no key', header({ kid: 'ins_other' }), { only: ['pem'] }),
  refused('jwk-kid-mismatch')('kid of no key', header({ kid: 'ins_other' }), { only: ['jwks'] }),
  valid('no kid', header({ kid: undefined }), { only: ['pem'] }),
  refused('jwk-kid-mismatch')('no kid', header({ kid: undefined }), { only: ['jwks'] }),
  stricter(TYPE)('kid a number', header({ kid: 7 }), { only: ['pem'] }),
  refused('jwk-kid-mismatch')('kid a number', header({ kid: 7 }), { only: ['jwks'] }),
  claim('kid of what every object has', header({ kid: '__proto__' }), { only: ['jwks'] }),
  signature('a key in the header, and signed by it',
    signed({ jwk: other.publicKey.export({ format: 'jwk' }) }, { key: other.privateKey })),
  stricter(OWN_KEY)('the right key in the header', (clerk) => header({ jwk: clerk.jwk })(clerk)),
  stricter(OWN_KEY)('jku', header({ jku: 'https://evil.example/jwks.json' })),
  stricter(OWN_KEY)('x5u', header({ x5u: 'https://evil.example/cert.pem' })),
  stricter(OWN_KEY)('x5c', header({ x5c: ['MIIB'] })),
  stricter(CRITICAL)('crit', header({ crit: ['exp'] })),
  stricter(CRITICAL)('b64', header({ b64: false })),

  // === what kind of token ===
  valid('no typ', header({ typ: undefined })),
  type('typ in lower case', header({ typ: 'jwt' })),
  type('typ of an OAuth access token', header({ typ: 'at+jwt' })),
  type('typ null', header({ typ: null })),
  type('typ empty', header({ typ: '' })),
  valid('no cat', header({ cat: undefined })),
  valid('a cat that is to be ignored', header({ cat: 'cl_I7d4PD111III' })),
  type('the cat of machines', header({ cat: 'cl_B7d4PD333AAA' })),
  stricter(TYPE)('cat a number', header({ cat: 7 })),
  stricter('a machine is nobody who signed in; the library tells by cat alone')('the subject of a machine',
    claims({ sub: 'mch_1' })),
  shape('an API key', () => 'ak_2xAbCdEf'),
  shape('an opaque machine token', () => 'mt_2xAbCdEf'),
  shape('an opaque OAuth token', () => 'oat_2xAbCdEf'),

  // === who and whose ===
  claim('no sub', claims({ sub: undefined })),
  claim('sub a number', claims({ sub: 7 })),
  claim('sub null', claims({ sub: null })),
  stricter(SUBJECT)('sub empty', claims({ sub: '' })),
  stricter(SUBJECT)('sub of 300 characters', claims({ sub: 'u'.repeat(300) })),
  stricter(SUBJECT)('sub with a line break', claims({ sub: 'user\r\nx-palisade-role: admin' })),
  stricter(TYPE)('sid a number', claims({ sid: 7 })),
  stricter(ISSUER)('iss of another instance', claims({ iss: 'https://evil.clerk.accounts.dev' })),
  stricter(ISSUER)('no iss', claims({ iss: undefined })),
  stricter(ISSUER)('iss with a slash more', (clerk) => claims({ iss: `${clerk.issuer}/` })(clerk)),
  stricter(ISSUER)('iss a list', (clerk) => claims({ iss: [clerk.issuer] })(clerk)),
  party('azp of another site', claims({ azp: 'https://evil.example' })),
  party('azp that begins like ours', claims({ azp: `${PARTY}.evil.example` })),
  party('azp in upper case', claims({ azp: PARTY.toUpperCase() })),
  party('azp empty', claims({ azp: '' })),
  party('azp a list', claims({ azp: [PARTY] })),
  party('no azp', claims({ azp: undefined })),
  valid('no azp, nobody asks', claims({ azp: undefined }), { only: ['open'] }),
  valid('azp of another site, nobody asks', claims({ azp: 'https://evil.example' }), { only: ['open'] }),

  // === time: five seconds of disagreement ===
  valid('over for 2 seconds', claims(() => ({ exp: now(-2) }))),
  refused('token-expired', 'token-expired')('over for 7 seconds', claims(() => ({ exp: now(-7) }))),
  refused('token-expired', 'token-expired')('over since 1970', claims({ exp: 0 })),
  refused('token-expired', 'token-expired')('over before it began', claims({ exp: -1 })),
  valid('exp with a fraction', claims(() => ({ exp: now(30) + 0.5 }))),
  valid('good for ages', claims({ exp: 4e12 })),
  claim('no exp', claims({ exp: undefined })),
  claim('exp a text', claims(() => ({ exp: String(now(60)) }))),
  claim('exp null', claims({ exp: null })),
  valid('good in 4 seconds', claims(() => ({ nbf: now(4) }))),
  refused('token-not-active-yet')('good in 30 seconds', claims(() => ({ nbf: now(30) }))),
  valid('no nbf', claims({ nbf: undefined })),
  claim('nbf a text', claims({ nbf: '0' })),
  claim('nbf null', claims({ nbf: null })),
  valid('issued in 4 seconds', claims(() => ({ iat: now(4) }))),
  refused('token-iat-in-the-future')('issued in 30 seconds', claims(() => ({ iat: now(30) }))),
  valid('no iat', claims({ iat: undefined })),
  claim('iat a text', claims({ iat: '0' })),

  // === state ===
  stricter('the library leaves it to `auth()`, which calls it signed out', 'auth-required')('sts pending',
    claims({ sts: 'pending' })),
  valid('no sts', claims({ sts: undefined })),
  valid('an sts that nobody knows', claims({ sts: 'paused' })),
  stricter(TYPE)('sts a number', claims({ sts: 7 })),

  // === spelling ===
  stricter(TWICE)('sub twice', spelled((text) => text.replace('{', '{"sub":"user_bob",'))),
  stricter(TWICE)('sub twice, once in disguise', spelled((text) => text.replace('{', '{"\\u0073ub":"user_bob",'))),
  stricter(TWICE)('a member of an organization twice',
    spelled((text) => text.replace('{', '{"o":{"rol":"a","rol":"b"},'))),
  stricter(TWICE)('alg twice', (clerk) =>
    clerk.compact(JSON.stringify(clerk.header).replace('{', '{"alg":"none",'), payload(clerk))),
  stricter(JSON_TEXT)('a byte order mark', spelled((text) => `\ufeff${text}`)),
  stricter(JSON_TEXT)('no UTF-8', spelled((text) => Buffer.from(text.replace('{', '{"x":"\u00ff",'), 'latin1'))),
  stricter(JSON_TEXT)('half a character', spelled((text) => text.replace('{', '{"x":"\\ud800",'))),
  stricter(JSON_TEXT)('a number beyond all numbers', spelled((text) => text.replace(/"exp":\d+/, '"exp":1e400'))),
  stricter('a parser that can be sent arbitrarily deep can be made to fall')('200 lists in each other',
    spelled((text) => text.replace('{', `{"x":${'['.repeat(200)}${']'.repeat(200)},`))),
  shape('something after the claims', spelled((text) => `${text}x`)),
  shape('no JSON', spelled(() => 'x')),
  claim('claims in a list', spelled((text) => `[${text}]`)),
  stricter(ONE_SPELLING)('padding', encoded((part) => {
    // Spaces at the end make a length that base64 has to pad.
    const padded = Buffer.from(`${part}${' '.repeat(3 - ((Buffer.byteLength(part) + 2) % 3))}`).toString('base64');
    return padded.replaceAll('+', '-').replaceAll('/', '_');
  })),
  shape('the other alphabet', afterwards(([head, body]) => [head, body, '+/'.repeat(171)])),
  shape('bits that no byte has',
    afterwards(([head, body, tail]) => [head, body, tail.slice(0, -1) + sibling(tail.at(-1))])),
  shape('a character that is none', afterwards(([head, body, tail]) => [head, `${body}!`, tail])),
  shape('no signature part', afterwards(([head, body]) => [head, body])),
  signature('an empty signature', afterwards(([head, body]) => [head, body, ''])),
  signature('half a signature', afterwards(([head, body, tail]) => [head, body, tail.slice(0, 172)])),
  shape('an empty payload', afterwards(([head, , tail]) => [head, '', tail])),
  shape('a part more', afterwards((parts) => [...parts, ''])),
  shape('five parts, as encrypted tokens have', afterwards(([head, body, tail]) => [head, '', body, tail, tail])),
  signature('other claims under the same signature',
    afterwards(([head, , tail], clerk) => [head, base64url(payload(clerk, { sub: 'user_bob' })), tail])),
  shape('no token at all', () => 'undefined'),
];

/** The base64url character that spells the same bits but for the lowest, which no byte has at the end of 256. */
function sibling(character) {
  const alphabet = 'ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_';
  return alphabet[alphabet.indexOf(character) ^ 1];
}
