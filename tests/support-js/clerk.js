// A sign-in provider without a network: a key of our own signs what Clerk would.

import { createHmac, generateKeyPairSync, sign as signWith } from 'node:crypto';

const HASHES = { RS256: 'sha256', RS384: 'sha384', RS512: 'sha512', ES256: 'sha256', ES384: 'sha384', EdDSA: null };

export const base64url = (value) => Buffer.from(value).toString('base64url');

/** A Clerk instance that exists nowhere else. */
export class Clerk {
  constructor(host = 'clerk.shop.example') {
    this.issuer = `https://${host}`;
    this.publishableKey = `pk_live_${Buffer.from(`${host}$`).toString('base64').replace(/=+$/, '')}`;
    this.keys = generateKeyPairSync('rsa', { modulusLength: 2048 });
    this.kid = 'ins_self';
  }

  /** What gate and application find in their environments: with the public key, neither needs a network. */
  get variables() {
    return { NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: this.publishableKey, CLERK_JWT_KEY: this.pem };
  }

  get pem() {
    return this.keys.publicKey.export({ type: 'spki', format: 'pem' });
  }

  get der() {
    return this.keys.publicKey.export({ type: 'spki', format: 'der' });
  }

  get jwk() {
    return { ...this.keys.publicKey.export({ format: 'jwk' }), use: 'sig', alg: 'RS256', kid: this.kid };
  }

  get header() {
    return { alg: 'RS256', kid: this.kid, typ: 'JWT', cat: 'cl_B7d4PD111AAA' };
  }

  /** The claims of a session as Clerk's second version has them; `changes` with `undefined` takes one away. */
  claims(changes = {}) {
    const now = Math.floor(Date.now() / 1000);
    const usual = { iss: this.issuer, sub: 'user_ann', sid: 'sess_ann', v: 2, iat: now, nbf: now - 10, exp: now + 60 };
    return { ...usual, sts: 'active', ...changes };
  }

  /** A session token. */
  token(changes = {}, header = {}) {
    return this.compact(JSON.stringify({ ...this.header, ...header }), JSON.stringify(this.claims(changes)));
  }

  /** Signs header and payload as they are spelled; `algorithm` and `key` need not be what the header says. */
  compact(header, payload, { algorithm = 'RS256', key = this.keys.privateKey } = {}) {
    const signed = `${base64url(header)}.${base64url(payload)}`;
    return `${signed}.${this.signature(signed, { algorithm, key })}`;
  }

  signature(signed, { algorithm = 'RS256', key = this.keys.privateKey } = {}) {
    if (algorithm === 'none') return '';
    if (algorithm.startsWith('HS')) return createHmac('sha256', key).update(signed).digest('base64url');
    return signWith(HASHES[algorithm], Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' }).toString('base64url');
  }
}
