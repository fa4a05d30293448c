/** Signs a visitor in, as Clerk's script would after a sign-in: two cookies of the app's own origin. */
export async function signIn(visitor, gate, clerk, changes = {}) {
  const token = clerk.token({ azp: gate.origin, pla: 'u:free', ...changes });
  const cookies = { __session: token, __client_uat: String(clerk.claims().iat - 60) };
  await visitor.context.addCookies(Object.entries(cookies).map(([name, value]) => ({ name, value, url: gate.origin })));
  return token;
}

/** Claims of a session that is over. */
export function over() {
  const now = Math.floor(Date.now() / 1000);
  return { iat: now - 120, nbf: now - 130, exp: now - 60 };
}

/** Calls the app as a page's script would; says what came back. */
export function call(page, path, { method = 'GET', json, csrf = false } = {}) {
  return page.evaluate(
    async ([path, method, json, csrf]) => {
      const headers = {};
      if (json !== undefined) headers['content-type'] = 'application/json';
      if (csrf) headers['x-csrf-token'] = (await (await fetch('/api/csrf')).json()).csrfToken;
      const answer = await fetch(path, { method, headers, body: json && JSON.stringify(json), redirect: 'manual' });
      return { status: answer.status, body: await answer.json() };
    },
    [path, method, json, csrf],
  );
}
