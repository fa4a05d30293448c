// The routes that `palisade check` reads from a source, against Next's own word: what a build wrote down, and what the
// started app answers to OPTIONS.

import assert from 'node:assert/strict';
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';

import { binary } from '../support-js/gate.js';
import { request } from '../support-js/http.js';
import { Process, freePort } from '../support-js/processes.js';
import { FOLDER } from './inside.js';
import { FILES } from './inventory-app.js';

const MODULES = path.join(FOLDER, 'node_modules');
const NEXT = path.join(MODULES, 'next/dist/bin/next');
/** What Next adds of its own. */
const NEXTS_OWN = ['/_not-found', '/_global-error'];

const folder = mkdtempSync(path.join(tmpdir(), 'palisade-inventory-'));
let routes;
let server;
let port;

before(async () => {
  if (!existsSync(NEXT)) throw new Error(`Next.js is not installed: run "npm ci" in ${FOLDER}`);
  for (const [name, text] of Object.entries(FILES)) {
    mkdirSync(path.dirname(path.join(folder, name)), { recursive: true });
    writeFileSync(path.join(folder, name), text);
  }
  // Read before the build: nothing that Next writes may help.
  await ran('palisade check', binary(), ['check', '--root', folder, '--section', 'api', '--save-facts', path.join(folder, 'facts.json')], [0, 1]);
  routes = json('facts.json').routes.known;
  symlinkSync(MODULES, path.join(folder, 'node_modules'));
  await next('next build', ['build', '--webpack']).finished();
  port = await freePort();
  server = next('next start', ['start', '-H', '127.0.0.1', '-p', String(port)]);
  await server.listening('127.0.0.1', port);
});

after(async () => {
  await server?.stop();
  rmSync(folder, { recursive: true, force: true });
});

function next(name, args) {
  const env = { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1' };
  return new Process(name, process.execPath, [NEXT, ...args], { cwd: folder, env });
}

/** Runs a program to its end, which must be one of these codes. */
async function ran(name, command, args, codes) {
  const running = new Process(name, command, args, { cwd: folder });
  await running.finished().catch((error) => {
    if (!codes.includes(running.child.exitCode)) throw error;
  });
}

function json(name) {
  return JSON.parse(readFileSync(path.join(folder, name), 'utf8'));
}

/** Next's spelling as a policy's; an optional catch-all is two paths. */
function templates(route) {
  const optional = /\/\[\[\.\.\.([^\]]+)\]\]$/.exec(route);
  const plain = (text) => text.replace(/\[\.\.\.([^\]]+)\]/g, '{*$1}').replace(/\[([^\]]+)\]/g, '{$1}') || '/';
  if (!optional) return [plain(route)];
  const before_ = route.slice(0, optional.index);
  return [plain(before_), `${plain(before_).replace(/\/$/, '')}/{*${optional[1]}}`];
}

function ours(...surfaces) {
  return routes.endpoints.filter((endpoint) => surfaces.includes(endpoint.surface));
}

function sorted(list) {
  return [...new Set(list)].sort();
}

test('C5: every route and page of the App Router is in the inventory, and nothing else', () => {
  const built = Object.entries(json('.next/app-path-routes-manifest.json'));
  assert.ok(built.length > 20);
  for (const [surface, ending] of [['route-handler', '/route'], ['page', '/page']]) {
    const words = built.filter(([key, route]) => key.endsWith(ending) && !NEXTS_OWN.includes(route)).flatMap(([, route]) => templates(route));
    const known = ours(surface).filter((endpoint) => endpoint.file.startsWith('app/')).map((endpoint) => endpoint.path);
    assert.deepEqual(sorted(known), sorted(words), surface);
  }
});

test('C5: every route and page of the Pages Router is in the inventory, and nothing else', () => {
  const words = Object.keys(json('.next/server/pages-manifest.json')).filter((route) => !/^\/(_|404|500)/.test(route)).flatMap(templates);
  const known = ours('api-route', 'page').filter((endpoint) => endpoint.file.startsWith('pages/')).map((endpoint) => endpoint.path);
  assert.deepEqual(sorted(known), sorted(words));
});

test('C5: the methods of each route are those that the started app allows', async () => {
  let asked = 0;
  for (const endpoint of ours('route-handler')) {
    const target = endpoint.path.replace(/\{\*?[^}]+\}/g, 'x');
    const answer = await request({ port, method: 'OPTIONS', path: target, headers: { host: `127.0.0.1:${port}` } });
    const allowed = String(answer.headers.allow ?? '').split(',').map((method) => method.trim()).filter(Boolean);
    // Next answers OPTIONS by itself where nobody else does.
    const told = (list) => sorted(list.filter((method) => method !== 'OPTIONS'));
    assert.deepEqual(told(endpoint.methods), told(allowed), `${endpoint.file}: ${target}`);
    asked++;
  }
  assert.ok(asked > 20);
});

test('C5: every server action that the build lists is in the inventory, with its name', () => {
  const { node, edge } = json('.next/server/server-reference-manifest.json');
  const listed = [...Object.values(node), ...Object.values(edge)];
  assert.ok(listed.length >= 4);
  // A function within another has no name that could be imported: they are counted.
  const isNamed = (action) => !action.exportedName.startsWith('$$RSC');
  const named = ours('server-action').map((endpoint) => endpoint.path);
  const words = listed.filter(isNamed).map((action) => `${action.filename}#${action.exportedName}`);
  for (const word of words) assert.ok(named.includes(word), `${word} is not in ${named}`);
  for (const file of sorted(listed.map((action) => action.filename))) {
    const count = (list, start) => list.filter((text) => text.startsWith(start)).length;
    assert.equal(count(named, `${file}#`), count(listed.map((action) => action.filename), file), file);
  }
});

test('C5: what runs before the routes is known with its matchers', () => {
  const matchers = json('.next/server/functions-config-manifest.json').functions['/_middleware'].matchers;
  assert.deepEqual(routes.interceptors.map((one) => [one.file, one.matchers]), [['proxy.ts', matchers.map((one) => one.originalSource)]]);
});
