// The peer, asked about answers that it did not fetch itself.

import { existsSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const require = createRequire(import.meta.url);
const folder = dirname(dirname(require.resolve('@mdn/mdn-http-observatory')));
// Its list of preloaded hosts comes from the network as it is installed; without scripts there is none.
const preloaded = join(folder, 'conf', 'hsts-preload.json');
if (!existsSync(preloaded)) writeFileSync(preloaded, '{}');

const load = (path) => import(join(folder, 'src', path));
const { ALL_TESTS } = await load('constants.js');
const { Requests } = await load('types.js');
const { getGradeForScore, getScoreModifier } = await load('grader/grader.js');
const { parseHttpEquivHeaders } = await load('retriever/utils.js');
const { CookieJar } = createRequire(join(folder, 'package.json'))('tough-cookie');

function headers(fields) {
  const all = {};
  for (const [name, value] of fields) {
    const known = all[name];
    all[name] = known === undefined ? value : [known, value].flat();
  }
  // As the client that the peer fetches with has it.
  Object.defineProperty(all, 'get', { value: (name) => all[name] });
  return all;
}

export function observatory({ fields, body, cors, route, https, verified, plain }) {
  const url = new URL(https ? 'https://shop.example/' : route.at(-1));
  const response = (good) => ({ status: 200, headers: headers(fields), verified: good, data: body });
  const requests = new Requests('shop.example');
  requests.responses.https = https ? response(verified) : null;
  requests.responses.http = plain ? response(true) : null;
  requests.responses.auto = requests.responses.https ?? requests.responses.http;
  requests.responses.httpRedirects = plain ? route.map((at) => ({ url: new URL(at), status: 200 })) : [];
  requests.responses.cors = { status: 204, verified: true, headers: headers(cors), request: { headers: {} } };
  const jar = new CookieJar();
  for (const [name, value] of fields) if (name === 'set-cookie') jar.setCookieSync(value, url.href, { ignoreError: true });
  requests.session = { url, jar };
  requests.resources.path = body;
  if (requests.responses.auto) {
    const html = /^text\/html/.test(requests.responses.auto.headers['content-type']);
    requests.responses.auto.httpEquiv = html ? parseHttpEquivHeaders(body, url.href) : new Map();
  }
  const tests = {};
  for (const test of ALL_TESTS) {
    const output = test(requests);
    tests[output.constructor.name] = { result: output.result, modifier: getScoreModifier(output.result), pass: output.pass };
  }
  return tests;
}

export const letter = (score) => getGradeForScore(score).grade;
