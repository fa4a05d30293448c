import assert from 'node:assert/strict';

/** The one Content-Security-Policy of a browser's response, as a map from directive to sources. */
export async function contentPolicy(response) {
  const headers = await response.headersArray();
  const found = headers.filter(({ name }) => name.toLowerCase() === 'content-security-policy');
  // Two policies intersect: what one allows the other may refuse.
  assert.equal(found.length, 1, `one Content-Security-Policy on ${response.url()}, not ${found.length}`);
  const directives = found[0].value.split(';').map((directive) => directive.trim().split(/\s+/));
  return new Map(directives.map(([name, ...sources]) => [name.toLowerCase(), sources]));
}

/** The nonces that `policy` names for scripts. */
export function scriptNonces(policy) {
  const sources = policy.get('script-src') ?? policy.get('default-src') ?? [];
  return sources.map((source) => /^'nonce-(.+)'$/.exec(source)?.[1]).filter(Boolean);
}

/** The script tags of a page as the server sent it; the browser hides nonces from scripts. */
export function scriptTags(html) {
  return html.match(/<script\b[^>]*>/g) ?? [];
}

/** Complaints but for the line that Chromium prints for a page that is itself a refusal. */
export function beyondStatus(complaints, status) {
  return complaints.filter((text) => !text.includes(`responded with a status of ${status}`));
}
