import assert from 'node:assert/strict';
import { spawn } from 'node:child_process';
import { readFileSync } from 'node:fs';
import path from 'node:path';
import { after, before, describe, test } from 'node:test';
import { text } from 'node:stream/consumers';
import { binary } from '../../support-js/gate.js';
import { policyFor } from '../support/shop.js';

const README = path.resolve(import.meta.dirname, '../../../README.md');
/** A row of the table in README for each, in this order. */
const SUBJECTS = {
  'rate-limit': 'rate limits',
  csrf: 'requests of other sites',
  input: 'hostile input',
  auth: 'who gets in',
  webhook: 'webhooks',
  actions: 'server actions',
  errors: 'failures and forgotten files',
  headers: 'security headers',
};

export default (world) =>
  describe('What probes find with the gate and without it', () => {
    let gate;
    let reports;
    before(async () => {
      gate = await world.startGate({ environment: 'production', hostname: 'localhost', policy: patient });
      const direct = `http://localhost:${world.shop.port}`;
      // One after the other: both ask the same app, and limits are found by counting.
      reports = { without: await probe(world, gate, direct), with: await probe(world, gate, gate.origin) };
    });
    after(() => gate?.stop());

    test('behind the gate nothing fails', () => {
      const failed = reports.with.findings.filter(({ status }) => status === 'fail' || status === 'unknown');
      assert.deepEqual(failed.map(({ id, evidence }) => `${id}: ${evidence}`), []);
    });

    test('the table in README is what was found', () => {
      const table = ['| what is asked | the app alone | behind the gate |', '|---|---|---|'];
      for (const [subject, words] of Object.entries(SUBJECTS)) {
        table.push(`| ${words} | ${held(reports.without, subject)} | ${held(reports.with, subject)} |`);
      }
      const [, written] = /<!-- before-after -->\n([^]*?)\n<!-- \/before-after -->/.exec(readFileSync(README, 'utf8')) ?? [];
      assert.equal(written, table.join('\n'));
    });
  });

/** How many of the checks of a subject hold, of those that apply. */
function held({ findings }, subject) {
  const asked = findings.filter(({ id, status }) => id.startsWith(`${subject}/`) && status !== 'not_applicable');
  return `${asked.filter(({ status }) => status === 'pass').length} of ${asked.length} hold`;
}

/** What every form of the shop takes. */
const BODY = JSON.stringify({ title: 'Hello', name: 'Ann', email: 'ann@example.com', message: 'Hello' });

/** The shop's policy with a form that may be asked often: at five a minute, forty questions take eight minutes. */
function patient(origin) {
  return policyFor(origin).replace(/(path = "\/api\/contact"\n[^]*?\n)\n/, '$1limit = "120/min"\n\n');
}

async function probe(world, gate, origin) {
  const { clerk, stripeSecret } = world.shop;
  const session = { azp: gate.origin, exp: Math.floor(Date.now() / 1000) + 3600 };
  const secrets = {
    ONE: clerk.token({ ...session, sub: 'user_one', pla: 'u:pro' }),
    OTHER: clerk.token({ ...session, sub: 'user_two' }),
    HOOK: stripeSecret,
  };
  const args = ['probe', 'all', `${origin}/`, '--policy', gate.policy, '--json', '--body', BODY];
  const named = ['--token-env', 'ONE', '--other-token-env', 'OTHER', '--secret-env', 'HOOK'];
  const env = { PATH: process.env.PATH, ...secrets };
  const child = spawn(binary(), [...args, ...named], { env, stdio: ['ignore', 'pipe', 'inherit'] });
  return JSON.parse(await text(child.stdout));
}
