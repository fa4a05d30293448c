// What `palisade check` writes for machines: SARIF against its schema, JUnit by the rules of the XSD that CI servers use.

import assert from 'node:assert/strict';
import { spawnSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import { after, test } from 'node:test';

import { DOMParser } from '@xmldom/xmldom';
import Ajv from 'ajv';

const require = createRequire(import.meta.url);
// Microsoft's package carries the schema, under MIT. Its draft is 04.
const schema = JSON.parse(readFileSync(join(dirname(require.resolve('@microsoft/jest-sarif')), 'schemas/sarif-2.1.0-rtm.5.json'), 'utf8'));
const folder = mkdtempSync(join(tmpdir(), 'palisade-reports-'));
after(() => rmSync(folder, { recursive: true }));

// Passes, failures, warnings and unknowns, in names and texts that a format must write otherwise.
const FILES = {
  'package.json': '{"dependencies":{"next":"16.0.0","stripe":"20.0.0"}}',
  'palisade.toml': '[app]\nname = "shop"\nupstream = "http://127.0.0.1:3000"\npublic_origin = "https://shop.example"\nservices = ["stripe"]\n',
  'app/api/notes/route.ts': 'export async function POST(request) {\n  console.log(password);\n  return Response.json(await request.json());\n}\n',
  'app/a b/<i>&"ü/page.tsx': 'console.log(token);\nexport default function Page() { return null; }\n',
  '.env.production': 'SESSION_SECRET="]]> <x> & \'y\'"\nSTRIPE_SECRET_KEY=\n',
};
for (const [name, text] of Object.entries(FILES)) {
  mkdirSync(dirname(join(folder, name)), { recursive: true });
  writeFileSync(join(folder, name), text);
}

function report(format, ...more) {
  const { status, stdout, stderr } = spawnSync(process.env.PALISADE_BIN, ['check', '--format', format, ...more], { cwd: folder, encoding: 'utf8' });
  assert.equal(status, 1, stderr);
  return stdout;
}

test('SARIF holds by the schema of 2.1.0', () => {
  const ajv = new Ajv({ allErrors: true, schemaId: 'auto' });
  ajv.addMetaSchema(require('ajv/lib/refs/json-schema-draft-04.json'));
  const validate = ajv.compile(schema);
  for (const more of [[], ['-A', 'api/csrf', '-W', 'env/variables-set'], ['--section', 'security']]) {
    const log = JSON.parse(report('sarif', ...more));
    assert.ok(validate(log), JSON.stringify(validate.errors, null, 1));
    assert.ok(log.runs[0].results.length > 0);
  }
  // The schema is one that refuses.
  const log = JSON.parse(report('sarif'));
  log.runs[0].results[0].level = 'dreadful';
  assert.ok(!validate(log));
});

/** By junit-10.xsd of Jenkins' xunit plugin: element -> its attributes, those that must be there, and its children. */
const JUNIT = {
  testsuites: { may: ['name', 'time', 'tests', 'failures', 'errors'], must: [], children: ['testsuite'] },
  testsuite: {
    may: ['name', 'tests', 'failures', 'errors', 'skipped', 'time', 'timestamp', 'hostname', 'id', 'package', 'file', 'group', 'log', 'url'],
    must: ['name', 'tests', 'failures', 'errors'],
    children: ['testcase', 'properties', 'system-out', 'system-err'],
  },
  testcase: { may: ['name', 'classname', 'time', 'group'], must: ['name'], children: ['skipped', 'error', 'failure', 'system-out', 'system-err'] },
  failure: { may: ['type', 'message'], must: [], children: [] },
  skipped: { may: ['type', 'message'], must: [], children: [] },
  'system-out': { may: [], must: [], children: [] },
};

test('JUnit is XML, keeps to its elements, and its numbers are right', () => {
  const problems = [];
  const document = new DOMParser({ onError: (level, message) => problems.push(`${level}: ${message}`) }).parseFromString(report('junit'), 'text/xml');
  assert.deepEqual(problems, []);
  const elements = (node) => [...node.childNodes].filter((child) => child.nodeType === 1);
  const walk = (node) => {
    const rule = JUNIT[node.tagName];
    assert.ok(rule, `there is no element ${node.tagName}`);
    const names = [...node.attributes].map((attribute) => attribute.name);
    for (const name of names) assert.ok(rule.may.includes(name), `${node.tagName} has no ${name}`);
    for (const name of rule.must) assert.ok(names.includes(name), `${node.tagName} wants ${name}`);
    for (const child of elements(node)) {
      assert.ok(rule.children.includes(child.tagName), `${node.tagName} holds no ${child.tagName}`);
      walk(child);
    }
  };
  const root = document.documentElement;
  assert.equal(root.tagName, 'testsuites');
  walk(root);
  const count = (node, name) => node.getElementsByTagName(name).length;
  for (const suite of [root, ...elements(root)]) {
    for (const [attribute, name] of [['tests', 'testcase'], ['failures', 'failure'], ['skipped', 'skipped']]) {
      if (suite === root && attribute === 'skipped') continue;
      assert.equal(Number(suite.getAttribute(attribute)), count(suite, name), `${attribute} of ${suite.getAttribute('name')}`);
    }
  }
  assert.ok(count(root, 'failure') > 3 && count(root, 'skipped') > 3);
  // A stranger's file name comes out as it was.
  assert.ok(root.textContent.includes('app/a b/<i>&"ü/page.tsx:1'), root.textContent);
});
