// What an app reports by the guide's functions, as `palisade watch` takes it.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { test } from 'node:test';
import { binary } from '../support-js/gate.js';

const APP = `
import { logSecurityEvent, sendAlert } from ${JSON.stringify(path.resolve(import.meta.dirname, '../../packages/next/src/index.js'))};
console.log('GET /api/contact 200 in 12ms');
for (let count = 0; count < 3; count++) {
  await sendAlert({ severity: 'HIGH', message: 'Rate limit violations: 240/min', ip: '203.0.113.9', details: { apiKey: 'k' } });
}
await sendAlert({ severity: 'MEDIUM', message: 'backup <late>' });
for (let count = 0; count < 10; count++) logSecurityEvent({ type: 'RATE_LIMIT', ip: '203.0.113.9', endpoint: '/api/contact' });
`;

test('A16: an alert of the app is an incident of the watcher, and its events count as the gate’s do', (t) => {
  const folder = mkdtempSync(path.join(tmpdir(), 'palisade-alerts-'));
  t.after(() => rmSync(folder, { recursive: true, force: true }));
  const run = (command, args) => execFileSync(command, args, { cwd: folder, encoding: 'utf8', timeout: 60_000, stdio: ['ignore', 'pipe', 'pipe'] });
  writeFileSync(path.join(folder, 'app.mjs'), APP);
  writeFileSync(path.join(folder, 'app.log'), run(process.execPath, ['app.mjs']));
  const said = run(binary(), ['watch', '--log', 'app.log', '--log-format', 'guide', '--store', 'palisade.db', '--once', '--json']);
  const incidents = said.trim().split('\n').map((line) => JSON.parse(line));
  const of = (rule) => incidents.filter((incident) => incident.rule === rule);
  const [high, ...more] = of('app-alert-high');
  // Told once, when it began; the same words again are the same incident.
  assert.deepEqual([high?.priority, high?.group['error.type'], more], ['P1', 'Rate limit violations: 240/min', []], said);
  assert.deepEqual(of('app-alert-medium').map(({ group }) => group['error.type']), ['backup <late>']);
  assert.equal(of('rate-limit-client').length, 1);
  assert.ok(!said.includes('apiKey'));
});
