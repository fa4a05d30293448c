// The official SDK as client: what an assistant that is built on it would see.

import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';

import { Client } from '@modelcontextprotocol/sdk/client/index.js';
import { StdioClientTransport } from '@modelcontextprotocol/sdk/client/stdio.js';

const folder = mkdtempSync(join(tmpdir(), 'palisade-mcp-'));
const client = new Client({ name: 'test', version: '1.0.0' });

before(async () => {
  writeFileSync(
    join(folder, 'palisade.toml'),
    `[app]
name = "shop"
upstream = "http://127.0.0.1:3000"
public_origin = "https://shop.example"

[[route]]
path = "/api/contact"
methods = ["POST"]
kind = "public-form"
`,
  );
  const command = process.env.PALISADE_BIN;
  const env = {
    CSRF_SECRET: '0f3c6a1b9d8e7f2a4c5b6d7e8f9a0b1c',
    SESSION_SECRET: '9a8b7c6d5e4f3a2b1c0d9e8f7a6b5c4d',
  };
  await client.connect(new StdioClientTransport({ command, args: ['mcp'], cwd: folder, env }));
});

after(async () => {
  await client.close();
  rmSync(folder, { recursive: true });
});

test('H4: an assistant asks which middleware a route needs', async () => {
  const { structuredContent: advice } = await client.callTool({
    name: 'advise_route',
    arguments: { method: 'POST', path: '/api/contact' },
  });
  assert.equal(advice.kind, 'public-form');
  const stages = advice.protections.map((protection) => protection.stage);
  assert.ok(stages.includes('rate') && stages.includes('csrf-token'), stages.join());
  assert.ok(advice.protections.every((protection) => protection.because.length > 0));
});

test('what the gate would do with a request is explained by the policy in the folder', async () => {
  const { structuredContent: told } = await client.callTool({
    name: 'explain_policy',
    arguments: { method: 'POST', path: '/api/contact' },
  });
  assert.equal(told.route.path, '/api/contact');
  assert.equal(told.refusal.status, 403);
});

test('every tool says that it only reads, and takes neither a URL nor a file', async () => {
  const { tools } = await client.listTools();
  assert.equal(tools.length, 5);
  for (const tool of tools) {
    assert.equal(tool.annotations.readOnlyHint, true, tool.name);
    const names = Object.keys(tool.inputSchema.properties);
    assert.ok(!names.some((name) => /url|file|policy|store|root/.test(name)), `${tool.name}: ${names}`);
  }
});

test('the decision matrix and the topics are resources', async () => {
  const { resources } = await client.listResources();
  const matrix = await client.readResource({ uri: 'palisade://matrix' });
  assert.ok(JSON.parse(matrix.contents[0].text).kinds.length >= 15);
  const topics = resources.filter((resource) => resource.mimeType === 'text/markdown');
  assert.ok(topics.length >= 10);
  for (const topic of topics) {
    const { contents } = await client.readResource({ uri: topic.uri });
    assert.match(contents[0].text, /^# /);
  }
});

test('an argument that no tool takes is refused', async () => {
  await assert.rejects(client.callTool({ name: 'advise_route', arguments: { method: 'GET', path: '/', policy: '/etc/passwd' } }), /no argument/);
});
