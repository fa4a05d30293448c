// SECURITY 10: an attacker's page makes a victim's browser misbehave, forged reports name another victim, and a flood runs during
// a sign-in with a stolen password. Nobody is blocked but the attacker, the sign-ins are told, and what strangers wrote
// stays text on every page of the dashboard.

import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { once } from 'node:events';
import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before, test } from 'node:test';
import { Gate, binary } from '../support-js/gate.js';
import { request } from '../support-js/http.js';
import { eventually, freePort } from '../support-js/processes.js';
import { CONTACT } from '../support-js/routes.js';
import { Browser, screenshot } from './support/browser.js';
import { Stranger } from './support/stranger.js';

const ADMIN_TOKEN = 'a-token-of-tests-for-the-dashboard-0123456789';
const INTAKE_TOKEN = 'a-token-of-tests-for-the-intake-0123456789';
const [VICTIM, FRAMED, GUESSER, ATTACKER] = ['203.0.113.77', '198.51.100.7', '203.0.113.50', '203.0.113.9'];
const PROBES = ['/.env', '/.git/config', '/wp-login.php', '/.aws/credentials', '/phpmyadmin/index.php', '/.ssh/id_rsa'];
const HOSTILE = '<img src=x onerror="window.hacked=1"><script>window.hacked=2</script>';

const workdir = mkdtempSync(path.join(tmpdir(), 'palisade-framed-'));
process.on('exit', () => rmSync(workdir, { recursive: true, force: true }));
const store = path.join(workdir, 'palisade.db');
let app;
let gate;
let stranger;
let browser;
let admin;
let intake;

before(async () => {
  app = http.createServer((incoming, answer) => {
    // As an app that checks passwords by itself: it tells the gate how each attempt ended.
    const outcome = { '/in?wrong': 'failure', '/in?right': 'success' }[incoming.url];
    if (outcome) answer.setHeader('x-palisade-event', `AUTH_FAILURE; outcome=${outcome}`);
    incoming.resume();
    answer.writeHead(outcome || incoming.url === '/' ? 200 : 404, { 'content-type': 'text/html' }).end('<h1>shop</h1>');
  });
  app.listen(0, '127.0.0.1');
  await once(app, 'listening');
  [admin, intake] = [await freePort(), await freePort()];
  const policy = (origin) => `
[app]
name = "shop"
public_origin = "${origin}"
[clients]
trusted_proxies = ["127.0.0.1/32"]
[listen]
admin = "127.0.0.1:${admin}"
intake = "127.0.0.1:${intake}"
[respond]
block = "10m"
${CONTACT}
[[route]]
path = "/limited"
kind = "public-read"
limit = "1/min"
`;
  const variables = { PALISADE_ADMIN_TOKEN: ADMIN_TOKEN, PALISADE_INTAKE_TOKEN: INTAKE_TOKEN, PALISADE_STORE: store };
  gate = await Gate.start({ workdir, policy, upstream: `http://127.0.0.1:${app.address().port}`, variables });
  stranger = await Stranger.start();
  browser = await Browser.launch();
});

after(async () => {
  await browser?.close();
  await stranger?.stop();
  await gate?.stop();
  app?.closeAllConnections();
  app?.close();
});

const ask = (client, target, more = {}) =>
  gate.request({ path: target, ...more, headers: { 'x-forwarded-for': client, ...more.headers } });

function palisade(...args) {
  const env = { PATH: process.env.PATH };
  return JSON.parse(execFileSync(binary(), [...args, '--store', store, '--json'], { env, encoding: 'utf8' }));
}

const incidents = (rule, client) =>
  palisade('incidents', 'list').incidents.filter((it) => it.rule === rule && it.group['client.key'] === client);
const blocked = () => palisade('blocks', 'list').blocks.map((block) => block.net);

/** Reports as whoever has the intake's token may write them. */
async function report(event) {
  const headers = { authorization: `Bearer ${INTAKE_TOKEN}`, host: 'intake' };
  const answer = await request({ port: intake, method: 'POST', path: '/intake/events', headers, body: JSON.stringify(event) });
  assert.equal(answer.status, 204, answer.body);
}

test('SECURITY 10: neither victim is blocked, the attacker is, and the stolen sign-in is told through the flood', async () => {
  // A page of another site: 500 requests that the victim's browser sends, among them probes that would block anybody.
  stranger.page = `<!doctype html><title>You have won</title><script>
    const probes = ${JSON.stringify(PROBES)};
    const bad = (at) => at % 5 === 0
      ? fetch('${gate.origin}' + probes[at / 5 % probes.length], { mode: 'no-cors', credentials: 'include' })
      : fetch('${gate.origin}/api/contact', { method: 'POST', mode: 'no-cors', credentials: 'include', body: 'a=' + at });
    const send = async () => {
      let sent = 0;
      for (let at = 0; at < 500; at += 10) {
        await Promise.allSettled(Array.from({ length: 10 }, (_, more) => bad(at + more)));
        sent += 10;
      }
      document.title = 'sent ' + sent;
    };
    send();
  </script>`;
  const flood = (async () => {
    for (let number = 0; number < 1500; number += 1) await ask(`203.0.${number % 50}.1`, '/limited');
  })();
  const forged = { 'client.address': FRAMED, 'palisade.signals': ['known-exploit'], 'palisade.decision': 'admit' };
  for (const probe of PROBES) {
    await report({ ...forged, 'url.path': probe, 'palisade.attributable': true, 'http.response.status_code': 404 });
  }
  const stolen = (async () => {
    for (let attempt = 0; attempt < 12; attempt += 1) await ask(GUESSER, '/in?wrong');
    await ask(GUESSER, '/in?right');
  })();
  await browser.visitor(
    async (visitor) => {
      const page = await visitor.tab();
      await page.goto(gate.url('/'));
      await page.goto(stranger.url('localhost'));
      await page.waitForFunction(() => document.title === 'sent 500', undefined, { timeout: 60_000 });
    },
    { extraHTTPHeaders: { 'x-forwarded-for': VICTIM } },
  );
  await Promise.all([flood, stolen]);

  const told = await eventually('the sign-ins', () => incidents('login-failures-client', GUESSER)[0], 30_000);
  assert.equal(told.attributable, true, 'what the gate itself saw');
  for (const client of [VICTIM, FRAMED]) {
    const seen = await eventually(`probes of ${client}`, () => incidents('exploit-probes', client)[0], 30_000);
    assert.equal(seen.attributable, false, `${client} may be framed`);
  }
  // The same requests by the attacker's own hand are answered with a block: so the rule is on.
  for (const probe of PROBES) await ask(ATTACKER, probe, { method: 'POST' });
  await eventually('the attacker is shut out', async () => (await ask(ATTACKER, '/')).status === 403, 30_000);
  assert.ok(blocked().includes(ATTACKER), String(blocked()));
  for (const client of [VICTIM, FRAMED]) {
    assert.ok(!blocked().includes(client), client);
    assert.equal((await ask(client, '/')).status, 200, client);
  }
});

test('SECURITY 21: what strangers wrote is text on every page of the dashboard', async () => {
  await ask(VICTIM, `/a/${encodeURIComponent(HOSTILE)}?q=${encodeURIComponent(HOSTILE)}`, { headers: { 'user-agent': HOSTILE } });
  // A refusal keeps who asked and how; an alert's message names the incident.
  await ask(VICTIM, `/%61${encodeURIComponent(HOSTILE)}`, { headers: { 'user-agent': HOSTILE } });
  await report({ type: 'ALERT', action: 'alert-high', 'error.type': `${HOSTILE} javascript:alert(1)`, message: HOSTILE });
  const alerts = () => palisade('incidents', 'list').incidents.filter((it) => it.rule === 'app-alert-high');
  const [alert] = await eventually('the alert', () => (alerts().length > 0 ? alerts() : undefined), 30_000);
  const origin = `http://127.0.0.1:${admin}`;
  await browser.visitor(async (visitor) => {
    const page = await visitor.tab();
    page.on('dialog', (dialog) => assert.fail(`a script runs: ${dialog.message()}`));
    await page.goto(`${origin}/`);
    await page.fill('#token', ADMIN_TOKEN);
    await page.fill('#name', HOSTILE.slice(0, 40));
    await Promise.all([page.waitForURL(`${origin}/`), page.click('button')]);
    const listed = palisade('incidents', 'list').incidents.map((incident) => `/incidents/${incident.key}`);
    const pages = ['/', '/incidents', '/events?status=400', '/events?since=1h', '/normal', '/rules', '/readiness', '/report', ...listed];
    let shown = 0;
    for (const target of pages) {
      await page.goto(origin + target);
      assert.equal(await page.evaluate(() => window.hacked), undefined, target);
      assert.equal(await page.locator('img, iframe, a[href^="javascript:"], main script').count(), 0, target);
      if ((await page.textContent('main')).includes('onerror=')) shown += 1;
    }
    assert.ok(shown >= 2, `it is shown, as text: on ${shown} pages`);
    await page.goto(`${origin}/incidents/${alert.key}`);
    assert.ok((await page.textContent('main')).includes('<img src=x'), 'the message as it was written');
    await screenshot(page, 'incident-hostile');
    // Acknowledged with a note that is hostile too.
    await page.fill('#note-acknowledge', HOSTILE);
    await Promise.all([page.waitForNavigation(), page.click('button.main')]);
    assert.match(await page.textContent('dl.facts'), /<img src=x onerror/);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
    assert.deepEqual(visitor.complaints, []);
    assert.deepEqual([...visitor.hosts], [`127.0.0.1:${admin}`]);
  });
});
