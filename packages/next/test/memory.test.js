import assert from 'node:assert/strict';
import { test } from 'node:test';
import { Core } from '../src/core.js';
import { Gate } from '../src/gate.js';
import { POLICY, ask, variables } from './support.js';

// A million of them are in bench/decisions.js --clients; every table is as large for one client as for all.
const CLIENTS = 20_000;

const native = new Core().memory === 0 && 'nobody can say what a native build has; its tables are those of the module';

test('strangers take no memory: not by their number, their paths or their headers', { skip: native }, async () => {
  const gate = new Gate({ name: 'p', policy: POLICY, variables: variables(), event: () => {}, warn: () => {} });
  const come = async (from, to) => {
    for (let at = from; at < to; at++) {
      const address = at % 2 ? `10.${at >> 16}.${(at >> 8) & 255}.${at & 255}` : `2001:db8:${(at >> 4).toString(16)}::1`;
      const headers = { 'x-csrf-token': `t${at}`, cookie: `palisade-sid=s${at}` };
      const request = at % 3 ? ask('/api/quick') : ask(`/api/contact?${at}`, { method: 'POST', headers, body: 'x' });
      await gate.handle(request, () => new Response(null), { address });
    }
  };
  await come(0, 5_000);
  const before = gate.memory;
  await come(5_000, CLIENTS);
  assert.equal(gate.memory, before);
});
