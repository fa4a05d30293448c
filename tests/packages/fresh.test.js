// The packed file, installed into an app that knows nothing of this repository.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { FOLDER, PACKAGE } from './inside.js';

const POLICY = '[app]\nname = "fresh"\npublic_origin = "http://localhost:3000"\n';
const ROUTE = `
import { identity, withAuth, withCsrf, withErrors, withRateLimit, withValidation, type Schema } from '@palisade-gate/next';
import { createProxy } from '@palisade-gate/next/proxy';
import { withPalisade } from '@palisade-gate/next/config';
import { csrfFetch } from '@palisade-gate/next/browser';

interface Input { title: string }
declare const schema: Schema<Input>;
export const POST = withErrors(withRateLimit(withCsrf(withAuth(withValidation(
  async (request: Request, ctx: { params: Promise<{ id: string }>; input: Input }) => {
    const { id } = await ctx.params;
    return Response.json({ id, title: ctx.input.title, user: identity(request)?.user });
  }, schema))), { limit: '5/min' }));
export const proxy: (request: Request) => Promise<Response> = createProxy({ leave: ['/api/'] });
export const config: { reactStrictMode: boolean } = withPalisade({ reactStrictMode: true });
export const answered: Promise<Response> = csrfFetch('/api/x', { method: 'POST' });
export const called: Promise<Response> = POST(new Request('http://localhost'), { params: Promise.resolve({ id: '7' }) });
// @ts-expect-error a limit is a text
withRateLimit(() => new Response(), { limit: 5 });
// @ts-expect-error the context must hold the parameters
POST(new Request('http://localhost'), {});
`;
const TEST = `
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { withRateLimit } from '@palisade-gate/next';

test('five pass', async () => {
  const GET = withRateLimit(() => new Response('ok'));
  const ask = () => GET(new Request('http://localhost:3000/api/hello'), {});
  const statuses = [];
  for (let count = 0; count < 6; count++) statuses.push((await ask()).status);
  assert.deepEqual(statuses, [200, 200, 200, 200, 200, 429]);
});
`;

let app;
let packed;

before(() => {
  app = mkdtempSync(path.join(tmpdir(), 'palisade-fresh-'));
  const [{ filename, size, unpackedSize, files }] = JSON.parse(npm(PACKAGE, 'pack', '--json', '--pack-destination', app));
  packed = { file: path.join(app, filename), size, unpackedSize, files: files.map((file) => file.path) };
  writeFileSync(path.join(app, 'package.json'), JSON.stringify({ name: 'fresh', private: true, type: 'module', scripts: { test: 'node --test' } }));
  npm(app, 'install', '--no-audit', '--no-fund', '--offline', '--legacy-peer-deps', packed.file);
});
after(() => rmSync(app, { recursive: true, force: true }));

function npm(cwd, ...args) {
  return run('npm', args, cwd);
}

function run(command, args, cwd, env = {}) {
  const { NODE_TEST_CONTEXT: _, ...own } = process.env;
  try {
    return execFileSync(command, args, { cwd, encoding: 'utf8', env: { ...own, ...env }, stdio: ['ignore', 'pipe', 'pipe'] });
  } catch (error) {
    throw new Error(`${command} ${args.join(' ')}:\n${error.stdout}\n${error.stderr}`);
  }
}

test('the package is what it says: no dependency, no script at install, no test, small', (t) => {
  const { size } = statSync(path.join(PACKAGE, 'src/palisade.wasm'));
  t.diagnostic(`tarball ${packed.size} bytes, unpacked ${packed.unpackedSize}; wasm ${size}`);
  assert.ok(packed.files.includes('src/wasm.js'));
  assert.ok(packed.files.every((file) => /^(src\/|README\.md|package\.json)/.test(file)), packed.files.join());
  assert.ok(statSync(packed.file).size < 960 * 1024);
  const installed = JSON.parse(npm(app, 'ls', '--all', '--json')).dependencies;
  assert.deepEqual(Object.keys(installed), ['@palisade-gate/next']);
});

test('npm test of the fresh app passes', () => {
  writeFileSync(path.join(app, 'palisade.toml'), POLICY);
  writeFileSync(path.join(app, 'app.test.js'), TEST);
  const secrets = { CSRF_SECRET: 'c'.repeat(3) + 'f7a1'.repeat(9), SESSION_SECRET: 's'.repeat(3) + '09be'.repeat(9) };
  const said = run('npm', ['test'], app, { ...secrets, PALISADE_ENV: 'development' });
  assert.match(said, /pass 1/);
});

test('its types hold under strict', () => {
  const options = { strict: true, noEmit: true, module: 'esnext', moduleResolution: 'bundler', target: 'es2022', lib: ['dom', 'esnext', 'dom.iterable'], types: [], skipLibCheck: false };
  writeFileSync(path.join(app, 'tsconfig.json'), JSON.stringify({ compilerOptions: options, files: ['route.ts'] }));
  writeFileSync(path.join(app, 'route.ts'), ROUTE);
  run(process.execPath, [path.join(FOLDER, 'node_modules/typescript/bin/tsc'), '-p', app], app);
});
