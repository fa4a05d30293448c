/** A host that no one can have (RFC 2606): the issuer of sessions that this example signs itself. */
export const ISSUER_HOST = 'clerk.shop.example';

export const SIGNING_KEY = new URL('signing-key.pem', import.meta.url);
