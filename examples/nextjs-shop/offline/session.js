// Prints a session for an hour, as a line for the browser's console.
// Usage: npm run --silent session -- [--user user_ann] [--plan pro] [--origin http://127.0.0.1:8080]

import { sign } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { ISSUER_HOST, SIGNING_KEY } from './place.js';

const { values } = parseArgs({
  options: {
    user: { type: 'string', default: 'user_ann' },
    plan: { type: 'string', default: 'free' },
    origin: { type: 'string', default: 'http://127.0.0.1:8080' },
  },
});
const now = Math.floor(Date.now() / 1000);
const part = (value) => Buffer.from(JSON.stringify(value)).toString('base64url');
const header = { alg: 'RS256', typ: 'JWT', kid: 'ins_self' };
const claims = {
  ...{ v: 2, iss: `https://${ISSUER_HOST}`, azp: values.origin, sts: 'active' },
  ...{ sub: values.user, sid: `sess_${values.user}`, pla: `u:${values.plan}` },
  ...{ iat: now, nbf: now - 10, exp: now + 3600 },
};
const signed = `${part(header)}.${part(claims)}`;
const token = `${signed}.${sign('sha256', Buffer.from(signed), readFileSync(SIGNING_KEY)).toString('base64url')}`;
// Clerk's middleware believes a session cookie only beside the time of the sign-in.
for (const cookie of [`__session=${token}`, `__client_uat=${now}`]) {
  // palisade-ok(logs): a session made here, for the one who asked for it
  console.log(`document.cookie = '${cookie}; path=/; max-age=3600; samesite=lax'`);
}
