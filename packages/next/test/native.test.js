// Which machine decides: the native build where one is installed or named, else WebAssembly.

import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { afterEach, beforeEach, test } from 'node:test';
import { withRateLimit } from '../src/index.js';
import { Core, Operation, Said } from '../src/core.js';
import { VERSION } from '../src/module.js';
import { ask, gate } from './support.js';

const GIVEN = process.env.PALISADE_NATIVE;
const HERE = process.cwd();
let folder;

beforeEach(() => (folder = mkdtempSync(path.join(tmpdir(), 'palisade-native-'))));
afterEach(() => {
  process.chdir(HERE);
  named(GIVEN);
  rmSync(folder, { recursive: true, force: true });
});

function named(build) {
  if (build === undefined) delete process.env.PALISADE_NATIVE;
  else process.env.PALISADE_NATIVE = build;
}

/** What stands for a native build: it knows one answer. */
function standIn(file, version) {
  const answer = `[${Said.Full}, 12, 0, 0, 0, 4, 0, 0, 0, 110, 117, 108, 108, 0, 0, 0, 0]`;
  const code = `module.exports = { version: () => '${version}', Gate: class { call() { return Buffer.from(${answer}); } } };`;
  mkdirSync(path.dirname(file), { recursive: true });
  writeFileSync(file, code);
  return file;
}

const installed = () => path.join(folder, 'node_modules/@palisade-gate/next-native/index.js');
const isStandIn = () => new Core().call(Operation.Drop, 0).said === Said.Full;

test('these tests run over the build that was named', () => {
  const native = GIVEN !== undefined && GIVEN !== 'off';
  assert.equal(new Core().memory === 0, native);
});

test('a native build that is installed decides, and off leaves it aside', () => {
  standIn(installed(), VERSION);
  process.chdir(folder);
  named('off');
  assert.equal(isStandIn(), false);
  named(undefined);
  assert.equal(isStandIn(), true);
});

test('one of another version is left aside, as its messages would be misread', (t) => {
  const warned = t.mock.method(console, 'warn', () => {});
  standIn(installed(), '0.0.0');
  process.chdir(folder);
  // What was found is looked for again after another word.
  named('off');
  assert.equal(isStandIn(), false);
  named(undefined);
  assert.equal(isStandIn(), false);
  assert.match(warned.mock.calls[0].arguments[0], /of version 0\.0\.0/);
});

test('a build that is named and cannot be used stops the gate: nobody comes through', async () => {
  const other = standIn(path.join(folder, 'other.cjs'), '0.0.0');
  for (const build of ['./nowhere.node', other]) {
    named(build);
    const told = gate();
    const answer = await withRateLimit(() => new Response('ok'))(ask('/api/quick'));
    assert.equal(answer.status, 500);
    assert.match(told.errors.join(), /PALISADE_NATIVE/);
  }
  named(standIn(path.join(folder, 'good.cjs'), VERSION));
  assert.equal(isStandIn(), true);
});

test('a machine that stopped in the middle says so', () => {
  const core = new Core({ call: () => { throw new Error('stopped'); } });
  assert.equal(core.failed, false);
  assert.throws(() => core.call(Operation.Drop, 0), /stopped/);
  assert.equal(core.failed, true);
});

test('both packages are of one version', () => {
  const read = (file) => readFileSync(path.resolve(import.meta.dirname, '../..', file), 'utf8');
  for (const file of ['next/package.json', 'next-native/package.json']) assert.equal(JSON.parse(read(file)).version, VERSION, file);
  assert.match(read('next-native/Cargo.toml'), new RegExp(`^version = "${VERSION.replaceAll('.', '\\.')}"$`, 'm'));
});
