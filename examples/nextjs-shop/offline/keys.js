// Makes everything the shop and its gate need to run without an account anywhere: secrets, and a key of its own that
// signs sessions as Clerk's would. Usage: npm run keys

import { generateKeyPairSync, randomBytes } from 'node:crypto';
import { existsSync, writeFileSync } from 'node:fs';
import { ISSUER_HOST, SIGNING_KEY } from './place.js';

const ENV = new URL('../.env.local', import.meta.url);
// For their owner alone, and never over what is there.
const OWN = { mode: 0o600, flag: 'wx' };

for (const file of [ENV, SIGNING_KEY]) {
  if (existsSync(file)) {
    console.error(`${file.pathname} is there already. Remove it if you want a new one.`);
    process.exit(1);
  }
}

const { publicKey, privateKey } = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const secret = () => randomBytes(32).toString('base64url');
const variables = {
  CSRF_SECRET: secret(),
  SESSION_SECRET: secret(),
  NEXT_PUBLIC_CLERK_PUBLISHABLE_KEY: `pk_live_${Buffer.from(`${ISSUER_HOST}$`).toString('base64').replace(/=+$/, '')}`,
  CLERK_SECRET_KEY: `sk_live_${secret()}`,
  CLERK_JWT_KEY: publicKey.trim().replaceAll('\n', '\\n'),
  STRIPE_WEBHOOK_SECRET: `whsec_${secret()}`,
};
const lines = Object.entries(variables).map(([name, value]) => `${name}="${value}"\n`);
writeFileSync(SIGNING_KEY, privateKey, OWN);
writeFileSync(ENV, lines.join(''), OWN);
console.error(`Wrote ${ENV.pathname} and ${SIGNING_KEY.pathname}.`);
