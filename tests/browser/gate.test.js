// One file, hence one process: the app, the browser and the build are shared by all cases.
// Each case starts a gate of its own, so that one case's requests never use up another's limits.

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { after, before } from 'node:test';
import account from './cases/account.js';
import contentSecurityPolicy from './cases/content-security-policy.js';
import crossOrigin from './cases/cross-origin.js';
import errors from './cases/errors.js';
import firstRun from './cases/first-run.js';
import forms from './cases/forms.js';
import navigation from './cases/navigation.js';
import probes from './cases/probes.js';
import rateLimit from './cases/rate-limit.js';
import serverActions from './cases/server-actions.js';
import siblings from './cases/siblings.js';
import stripe from './cases/stripe.js';
import { Browser } from './support/browser.js';
import { Shop } from './support/shop.js';

/** What the cases share. Filled before the first of them runs. */
const world = {
  workdir: null,
  shop: null,
  browser: null,
  startGate: (options) => world.shop.gate(options),
};

before(async () => {
  world.workdir = mkdtempSync(path.join(tmpdir(), 'palisade-browser-'));
  // Not in a hook: those do not run when the runner is interrupted.
  process.on('exit', () => rmSync(world.workdir, { recursive: true, force: true }));
  world.browser = await Browser.launch();
  world.shop = await Shop.start(world.workdir);
});

after(async () => {
  await world.browser?.close();
  await world.shop?.stop();
});

contentSecurityPolicy(world);
forms(world);
crossOrigin(world);
rateLimit(world);
serverActions(world);
navigation(world);
errors(world);
account(world);
siblings(world);
stripe(world);
probes(world);
firstRun(world);
