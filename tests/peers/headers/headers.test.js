// Made-up answers, judged by the peers and by the probe.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';

import { answer, policy, recorded } from './support/answers.js';
import { chance } from './support/chance.js';
import { letter, observatory } from './support/observatory.js';

const SETS = 200;
const POLICIES = 100;

// Modifiers that algorithm v6 changed since the peer's v4.
const SINCE_V4 = {
  'corp-implemented-with-same-origin': 10,
  'corp-implemented-with-same-site': 10,
  'x-frame-options-sameorigin-or-deny': 5,
};

// What the peer takes for a promise without end, since it compares what is no number; and what hangs on that promise.
const NO_NUMBER = ['strict-transport-security', 'max-age=abc'];
const BY_PROMISE = ['strict-transport-security', 'cookies'];

function probe(sites) {
  const folder = mkdtempSync(join(tmpdir(), 'palisade-headers-'));
  try {
    const file = join(folder, 'answers.json');
    writeFileSync(file, JSON.stringify(sites));
    const args = ['probe', 'headers', '--recorded', file];
    return JSON.parse(execFileSync(process.env.PALISADE_BIN, args, { maxBuffer: 1 << 28 }).toString());
  } finally {
    rmSync(folder, { recursive: true });
  }
}

test('D4: results and score are the Observatory\'s, for made-up answers', () => {
  const answers = Array.from({ length: SETS }, (_, seed) => answer(seed)).filter((one) => one.https || one.plain);
  const reports = probe(answers.map(recorded));
  const differing = [];
  for (const [index, report] of reports.entries()) {
    const theirs = observatory(answers[index]);
    const own = Object.fromEntries(report.tests.map((one) => [one.name, one]));
    const noNumber = answers[index].fields.some((field) => field.join() === NO_NUMBER.join());
    for (const [name, peer] of Object.entries(theirs)) {
      if (noNumber && BY_PROMISE.includes(name)) continue;
      const modifier = SINCE_V4[peer.result] ?? peer.modifier;
      const same = own[name].result === peer.result && own[name].modifier === modifier && own[name].pass === peer.pass;
      if (!same) differing.push({ index, name, peer, own: own[name], fields: answers[index].fields });
    }
    const all = report.tests.map((one) => one.modifier);
    const uncurved = 100 + all.filter((one) => one < 0).reduce((a, b) => a + b, 0);
    const score = Math.max(0, uncurved >= 90 ? all.reduce((a, b) => a + b, 100) : uncurved);
    assert.equal(report.score, score);
    assert.equal(report.grade, letter(score));
  }
  assert.deepEqual(differing, [], JSON.stringify(differing.slice(0, 5), null, 1));
});

test('D4: a policy\'s weaknesses are those that csp_evaluator finds', () => {
  const require = createRequire(import.meta.url);
  const { CspEvaluator, DEFAULT_CHECKS, STRICTCSP_CHECKS } = require('csp_evaluator/dist/evaluator.js');
  const { CspParser } = require('csp_evaluator/dist/parser.js');
  const policies = Array.from({ length: POLICIES }, (_, seed) => policy(chance(10_000 + seed)));
  const site = (text) => ({
    host: 'shop.example',
    https: { place: { https: true, host: 'shop.example' }, status: 200, verified: true, headers: [['content-security-policy', text]], body: '' },
  });
  const reports = probe(policies.map(site));
  const differing = [];
  for (const [index, text] of policies.entries()) {
    const evaluator = new CspEvaluator(new CspParser(text).csp);
    const found = evaluator.evaluate([], [...DEFAULT_CHECKS, ...STRICTCSP_CHECKS]).filter((one) => one.severity < 100);
    const line = (type, severity, directive, value) => [type, severity, directive, value ?? ''].join(' ');
    const theirs = found.map((one) => line(one.type, one.severity, one.directive, one.value)).sort();
    const own = reports[index].csp.map((one) => line(one.type, one.severity, one.directive, one.value)).sort();
    if (theirs.join('\n') !== own.join('\n')) {
      differing.push({ text, theirs: theirs.filter((one) => !own.includes(one)), own: own.filter((one) => !theirs.includes(one)) });
    }
  }
  assert.deepEqual(differing, [], JSON.stringify(differing.slice(0, 5), null, 1));
});
