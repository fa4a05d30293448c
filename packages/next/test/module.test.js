import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Core, Operation, Said } from '../src/core.js';
import { moduleBytes } from '../src/module.js';

test('the module imports nothing: no clock, no randomness, no network reaches a decision', () => {
  const module = new WebAssembly.Module(moduleBytes());
  assert.deepEqual(WebAssembly.Module.imports(module), []);
  const names = WebAssembly.Module.exports(module).map(({ name }) => name).filter((name) => !name.startsWith('__'));
  assert.deepEqual(names.sort(), ['answer', 'call', 'memory', 'reserve']);
});

test('the module keeps to its 600 KB', (t) => {
  const bytes = moduleBytes().length;
  t.diagnostic(`wasm: ${bytes} bytes`);
  assert.ok(bytes < 600_000, `${bytes}`);
});

test('a module that was given no policy decides nothing', () => {
  const core = new Core();
  for (const operation of Object.values(Operation).filter((it) => it !== Operation.Drop)) {
    const { said } = core.call(operation, 0);
    assert.ok(said === Said.Bad, `operation ${operation} said ${said}`);
  }
});

test('no bytes stop the module', () => {
  const core = new Core();
  // A fixed seed: a failure comes again.
  let state = 42;
  const random = () => (state = (Math.imul(state, 1664525) + 1013904223) >>> 0) / 2 ** 32;
  for (let round = 0; round < 3000; round++) {
    const bytes = Uint8Array.from({ length: Math.floor(random() * 80) }, () => random() * 256);
    core.call(Math.floor(random() * 12), Math.floor(random() * 4), (message) => message.raw(bytes));
  }
  assert.equal(core.call(Operation.Drop, 1).said, Said.Finished);
});
