import { randomBytes } from 'node:crypto';
import { CONTACT, QUICK } from '../../../tests/support-js/routes.js';
import { configure } from '../src/index.js';

export const ORIGIN = 'http://127.0.0.1:3000';

export const POLICY = `
[app]
name = "inside"
public_origin = "${ORIGIN}"
${CONTACT}
${QUICK}`;

const secret = () => randomBytes(32).toString('base64url');

export const variables = () => ({ PALISADE_ENV: 'development', CSRF_SECRET: secret(), SESSION_SECRET: secret() });

/** A gate of its own for a test; what it writes is returned. */
export function gate(options = {}) {
  const told = { events: [], warnings: [], errors: [] };
  configure({
    name: 'palisade.toml',
    policy: POLICY,
    variables: variables(),
    event: (line) => told.events.push(JSON.parse(line)),
    warn: (text) => told.warnings.push(text),
    error: (text) => told.errors.push(String(text)),
    ...options,
  });
  return told;
}

/** A request as a server's adapter makes it. */
export function ask(path, { method = 'GET', headers = {}, body } = {}) {
  const length = body === undefined ? {} : { 'content-length': String(Buffer.byteLength(body)) };
  return new Request(ORIGIN + path, { method, headers: { host: '127.0.0.1:3000', ...length, ...headers }, body });
}

export function cookieOf(answer) {
  return answer.headers.getSetCookie().map((line) => line.split(';')[0]).join('; ');
}
