// Answers of sites, made up: the headers that the Observatory reads, good, bad and broken.

import { chance } from './chance.js';

const SOURCES = [
  "'self'", "'none'", "'unsafe-inline'", "'unsafe-eval'", "'strict-dynamic'", "'nonce-abcdefgh12345678'",
  "'sha256-RFWPLDbv2BY+rCkDzsE+0fr8ylGr2R2faWMhq4lfEQc='", 'https:', 'http:', 'data:', '*', 'https://cdn.example',
  'http://cdn.example', 'https://*.cdn.example', 'cdn.example/a/',
];
const DIRECTIVES = [
  'default-src', 'script-src', 'style-src', 'img-src', 'media-src', 'object-src', 'connect-src', 'base-uri', 'form-action',
  'frame-ancestors', 'report-uri', 'upgrade-insecure-requests',
];

export function policy({ one, below, maybe }) {
  const names = new Set(Array.from({ length: 1 + below(6) }, () => one(DIRECTIVES)));
  const parts = [...names].map((name) => [name, ...Array.from({ length: below(4) }, () => one(SOURCES))].join(' '));
  if (maybe(0.05)) parts.push(parts[0]);
  if (maybe(0.05)) parts.push('report-uri /a', 'report-uri /b');
  return parts.join(maybe(0.5) ? '; ' : ';');
}

function cookie({ one, maybe }) {
  const name = one(['a', 'sessionid', 'csrftoken', 'login', 'theme', 'heroku-session-affinity', '__Host-id']);
  const flags = [maybe(0.6) && 'Secure', maybe(0.6) && 'HttpOnly', maybe(0.7) && `SameSite=${one(['Lax', 'Strict', 'None', 'Odd', ''])}`];
  return [`${name}=1`, 'Path=/', ...flags.filter(Boolean)].join('; ');
}

function script({ one, maybe }) {
  const source = one(['/a.js', 'b.js', 'https://cdn.other/a.js', 'http://cdn.other/a.js', '//cdn.other/a.js', 'https://www.shop.example/a.js']);
  return `<script src="${source}"${maybe(0.3) ? ' integrity="sha384-x"' : ''}></script>`;
}

export function answer(seed) {
  const dice = chance(seed);
  const { one, below, maybe } = dice;
  const fields = [['content-type', one(['text/html; charset=utf-8', 'text/html', 'application/json'])]];
  const add = (share, name, values) => maybe(share) && fields.push([name, one(values)]);
  for (let policies = maybe(0.8) ? 1 + below(2) : 0; policies > 0; policies -= 1) fields.push(['content-security-policy', policy(dice)]);
  add(0.1, 'content-security-policy-report-only', ["default-src 'self'"]);
  add(0.7, 'strict-transport-security', ['max-age=31536000; includeSubDomains; preload', 'max-age=60', 'max-age=15552000', 'max-age=1, max-age=2', 'includeSubDomains', 'max-age=abc']);
  add(0.7, 'x-content-type-options', ['nosniff', 'NoSniff', 'sniff', 'nosniff, nosniff']);
  add(0.6, 'x-frame-options', ['DENY', 'sameorigin', 'ALLOW-FROM https://a.example', 'maybe']);
  add(0.6, 'referrer-policy', ['no-referrer', 'unsafe-url', 'no-referrer, strict-origin', 'same-origin, odd', 'odd', 'origin']);
  add(0.5, 'cross-origin-resource-policy', ['same-origin', 'same-site', 'cross-origin', 'odd']);
  for (let cookies = below(3); cookies > 0; cookies -= 1) fields.push(['set-cookie', cookie(dice)]);
  const meta = maybe(0.15) ? `<meta http-equiv="Content-Security-Policy" content="${policy(dice).replaceAll('"', '')}">` : '';
  const referrer = maybe(0.1) ? `<meta name="referrer" content="${one(['no-referrer', 'unsafe-url'])}">` : '';
  const body = `<!doctype html><html><head>${meta}${referrer}</head><body>${dice.some([1], 3).map(() => script(dice)).join('')}</body></html>`;
  const cors = one([[], [['access-control-allow-origin', '*']], [['access-control-allow-origin', 'https://a.example']]]);
  const route = one([
    ['http://shop.example/'],
    ['http://shop.example/', 'https://shop.example/'],
    ['http://shop.example/', 'http://www.shop.example/', 'https://www.shop.example/'],
    ['http://shop.example/', 'https://www.shop.example/'],
    ['http://shop.example/', 'http://www.shop.example/'],
  ]);
  return { fields, body, cors, route, https: maybe(0.85), verified: maybe(0.95), plain: maybe(0.9) };
}

const place = (url) => ({ https: url.startsWith('https:'), host: new URL(url).hostname });

// As `palisade probe headers --recorded` reads it.
export function recorded({ fields, body, cors, route, https, verified, plain }) {
  const page = (url, good) => ({ place: place(url), status: 200, verified: good, headers: fields, body });
  return {
    host: 'shop.example',
    https: https ? page('https://shop.example/', verified) : null,
    http: plain ? page(route.at(-1), true) : null,
    route: plain ? route.map(place) : [],
    preflight: { origin: 'https://http-observatory.security.mozilla.org', headers: cors },
    cookies: [],
  };
}
