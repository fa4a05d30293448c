// In the browser: sends the token that the gate wants, and keeps the one that comes with each answer.

const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);

/** A `fetch` that brings a token. Tokens are good once, so requests that need one wait for each other. */
export function createCsrfFetch({ path = '/api/csrf', header = 'x-csrf-token', fetch: send = globalThis.fetch } = {}) {
  let token = null;
  let turn = Promise.resolve();

  async function fresh() {
    const answer = await send(path, { credentials: 'same-origin', cache: 'no-store' });
    if (!answer.ok) throw new Error(`no CSRF token: ${path} answered ${answer.status}`);
    return (await answer.json()).csrfToken;
  }

  async function once(input, init) {
    const request = new Request(input, init);
    const own = token ?? (await fresh());
    token = null;
    request.headers.set(header, own);
    const answer = await send(request);
    token = answer.headers.get(header);
    return answer;
  }

  async function withToken(input, init) {
    // A body that is read once cannot be sent again; such a request is tried once.
    const again = !(input instanceof Request) && !(init?.body instanceof ReadableStream);
    const answer = await once(input, init);
    if (!again || answer.status !== 403) return answer;
    const { code } = await answer.clone().json().catch(() => ({}));
    if (!['csrf-token-expired', 'csrf-token-reused', 'csrf-token-invalid'].includes(code)) return answer;
    token = null;
    return once(input, init);
  }

  return function csrfFetch(input, init = {}) {
    const method = (init.method ?? (input instanceof Request ? input.method : 'GET')).toUpperCase();
    const target = new URL(input instanceof Request ? input.url : input, globalThis.location?.href ?? 'http://localhost');
    const here = globalThis.location?.origin ?? target.origin;
    // A token is this origin's alone: no other site is ever told one.
    if (SAFE.has(method) || target.origin !== here) return send(input, init);
    const mine = turn.then(() => withToken(input, init));
    turn = mine.then(() => {}, () => {});
    return mine;
  };
}

let usual;

/** `fetch` with a token from `/api/csrf`. */
export function csrfFetch(input, init) {
  usual ??= createCsrfFetch();
  return usual(input, init);
}
