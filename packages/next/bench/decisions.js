// Microseconds of processor time that a decision takes in Node.js: this package beside those that apps use today, in one
// run. It is what the process spent, so that a busy machine tells the same (but for its caches).
//
//   node packages/next/build.js && (cd tests/packages && npm ci) && node packages/next/bench/decisions.js
//
// With packages/next-native built (node packages/next-native/build.js), its cases stand beside those of WebAssembly.
//
// The others do less: a limiter limits, and @edge-csrf takes a token that is good for ever. Its wrapper for Next.js is measured
// where `--edge-csrf FOLDER` has it (npm install @edge-csrf/nextjs@2.5.3-cloudflare-rc1 next@15): it wants Next.js 15 at most,
// which is no package of ours. Each round runs every case; told is the median of the rounds. With `--clients 1e6`, a million clients
// come by and the memory is told before and after.

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Core, Operation, Wasm } from '../src/core.js';
import { Gate } from '../src/gate.js';
import { decides } from '../src/module.js';

const require = createRequire(path.resolve(import.meta.dirname, '../../../tests/packages/package.json'));
const other = async (name) => import(pathToFileURL(require.resolve(name)).href);
const ORIGIN = 'http://127.0.0.1:3000';
const ROUNDS = 5;
const ROUND_MS = 400;
const POLICY = `
[app]
name = "bench"
public_origin = "${ORIGIN}"
[[route]]
path = "/api/quick"
kind = "public-read"
limit = "1000/s"
[[route]]
path = "/api/narrow"
kind = "public-read"
limit = "1/d"
[[route]]
path = "/api/contact"
methods = ["POST"]
kind = "public-form"
limit = "1000/s"
`;

const NATIVE = path.resolve(import.meta.dirname, '../../next-native/palisade.node');

/** A gate over the build of that name. */
function gateOver(build) {
  process.env.PALISADE_NATIVE = build;
  const variables = { PALISADE_ENV: 'development', CSRF_SECRET: 'a1'.repeat(20), SESSION_SECRET: 'b2'.repeat(20) };
  const gate = new Gate({ name: 'palisade.toml', policy: POLICY, variables, event: () => {}, warn: () => {} });
  gate.start();
  return gate;
}

/** By name, the gates that are measured. */
function gates() {
  const all = { wasm: gateOver('off') };
  if (existsSync(NATIVE)) all.native = gateOver(NATIVE);
  else console.log('no native build here: node packages/next-native/build.js makes one');
  return Object.entries(all);
}

let client = 0;
const address = () => `10.${(client >> 16) & 255}.${(client >> 8) & 255}.${client++ & 255}`;
const headers = { host: '127.0.0.1:3000', accept: 'application/json', 'user-agent': 'bench/1.0' };
const get = (target) => new Request(ORIGIN + target, { headers });
const post = (more) => new Request(`${ORIGIN}/api/contact`, { method: 'POST', headers: { ...headers, 'sec-fetch-site': 'same-origin', ...more } });
const handler = () => new Response(null);

async function session(gate) {
  const answer = await gate.handle(get('/api/csrf'), handler, { address: address() });
  return { cookie: answer.headers.getSetCookie()[0].split(';')[0], 'x-csrf-token': (await answer.json()).csrfToken };
}

async function ours([name, gate]) {
  const quick = get('/api/quick');
  const narrow = get('/api/narrow');
  const forged = post({ cookie: `palisade-sid=${'a'.repeat(22)}`, 'x-csrf-token': 'x'.repeat(80) });
  let own = await session(gate);
  await gate.handle(narrow, handler, { address: '192.0.2.1' });
  return {
    [`palisade, ${name}: limit, admitted and finished`]: () => gate.handle(quick, handler, { address: address() }),
    [`palisade, ${name}: limit, refused (429)`]: () => gate.handle(narrow, handler, { address: '192.0.2.1' }),
    [`palisade, ${name}: limit, token verified and spent, next token`]: async () => {
      const answer = await gate.handle(post(own), handler, { address: address() });
      if (answer.status !== 200) throw new Error(`token: ${answer.status}`);
      own = { ...own, 'x-csrf-token': answer.headers.get('x-csrf-token') };
    },
    [`palisade, ${name}: token forged (403)`]: () => gate.handle(forged, handler, { address: address() }),
  };
}

async function theirs() {
  const { Ratelimit } = await other('@upstash/ratelimit');
  // Redis at no distance at all, so that what is measured is the package.
  const nowhere = { evalsha: async () => [5, Date.now() + 1000], eval: async () => [5, 0], get: async () => null };
  const upstash = new Ratelimit({ redis: nowhere, limiter: Ratelimit.slidingWindow(1000, '1 s'), ephemeralCache: new Map(), analytics: false });
  const { RateLimiterMemory } = await other('rate-limiter-flexible');
  const flexible = new RateLimiterMemory({ points: 1000, duration: 1 });
  const flexed = new RateLimiterMemory({ points: 1, duration: 86_400 });
  await flexed.consume('192.0.2.1');
  const { atou, createSecret, createToken, getTokenString, utoa, verifyToken } = await other('@edge-csrf/core');
  const secret = createSecret(18);
  const edge = post({ 'x-csrf-token': utoa(await createToken(secret, 8)) });
  return {
    '@upstash/ratelimit, Redis at no distance': () => upstash.limit(address()),
    'rate-limiter-flexible, admitted': () => flexible.consume(address()),
    'rate-limiter-flexible, refused': () => flexed.consume('192.0.2.1').catch(() => {}),
    '@edge-csrf/core, token verified': async () => {
      if (!(await verifyToken(atou(await getTokenString(edge)), secret))) throw new Error('token');
    },
    'a Request and a Response, and nothing else': () => [post({}), new Response(null, { status: 200, headers })],
  };
}

/** @edge-csrf/nextjs around a request as its README writes it: with the cookie and the token that it gave out before. */
async function wrapper() {
  const at = process.argv.indexOf('--edge-csrf');
  if (at < 0) return {};
  const from = createRequire(path.resolve(process.argv[at + 1], 'package.json'));
  const [{ createCsrfProtect }, { NextRequest, NextResponse }] = [from('@edge-csrf/nextjs'), from('next/server')];
  const protect = createCsrfProtect({ cookie: { secure: false } });
  const first = NextResponse.next();
  await protect(new NextRequest(`${ORIGIN}/api/contact`, { headers }), first);
  const cookie = first.headers.getSetCookie()[0].split(';')[0];
  const sent = { ...headers, cookie, 'x-csrf-token': first.headers.get('x-csrf-token') };
  const run = async () => protect(new NextRequest(`${ORIGIN}/api/contact`, { method: 'POST', headers: sent }), NextResponse.next());
  await run();
  return { '@edge-csrf/nextjs, token verified, a new request and response each time': run };
}

async function cases() {
  const all = await Promise.all(gates().map(ours));
  return Object.assign({}, ...all, await theirs(), await wrapper());
}

async function measure(run, forMs) {
  const before = process.cpuUsage();
  let spent = 0;
  let count = 0;
  while (spent < forMs * 1000) {
    for (let inner = 0; inner < 20; inner++, count++) await run();
    const { user, system } = process.cpuUsage(before);
    spent = user + system;
  }
  return spent / count;
}

async function table() {
  const all = Object.entries(await cases());
  const found = new Map(all.map(([name]) => [name, []]));
  for (const [, run] of all) await measure(run, 200);
  for (let round = 0; round < ROUNDS; round++) {
    for (const [name, run] of all) found.get(name).push(await measure(run, ROUND_MS));
  }
  for (const [name, times] of found) {
    const median = times.sort((a, b) => a - b)[ROUNDS >> 1];
    console.log(`${median.toFixed(1).padStart(8)} us  ${name}`);
  }
}

async function clients(count) {
  const quick = get('/api/quick');
  const process_ = () => Math.round(process.memoryUsage.rss() / 2 ** 20);
  for (const [name, gate] of gates()) {
    const come = async (many) => {
      for (let at = 0; at < many; at++) await gate.handle(quick, handler, { address: address() });
    };
    await come(50_000);
    const before = [gate.memory, process_()];
    await come(count);
    console.log(`${name}, ${count} clients: the module has ${before[0]} bytes before and ${gate.memory} after, the process ${before[1]} and ${process_()} MiB`);
  }
}

function start() {
  const times = Array.from({ length: 5 }, () => {
    const from = performance.now();
    new Core(new Wasm(decides())).call(Operation.Drop, 0);
    return performance.now() - from;
  });
  console.log(`start of the module: ${times[0].toFixed(1)} ms; of another instance: ${times.at(-1).toFixed(2)} ms`);
}

start();
const asked = process.argv.indexOf('--clients');
if (asked < 0) await table();
else await clients(Number(process.argv[asked + 1] ?? 1e6));
