import { existsSync, mkdirSync } from 'node:fs';
import path from 'node:path';

const CHROMIUM = '/usr/bin/chromium';
const FLAGS = [
  '--headless',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
];

const WAIT_MS = 15_000;

/** One Chromium for the whole suite; each visitor has cookies of their own. */
export class Browser {
  static async launch() {
    if (!existsSync(CHROMIUM)) {
      throw new Error(`Chromium is missing: ${CHROMIUM} (Debian: apt-get install chromium)`);
    }
    const browser = new Browser();
    browser.chromium = await (await playwright()).launch({ executablePath: CHROMIUM, args: FLAGS });
    return browser;
  }

  /** Runs `visit` with a new visitor and ends their session whatever happens. */
  async visitor(visit, options = {}) {
    const context = await this.chromium.newContext(options);
    context.setDefaultTimeout(WAIT_MS);
    try {
      await visit(new Visitor(context));
    } finally {
      await context.close();
    }
  }

  async close() {
    await this.chromium?.close();
  }
}

/** A person with a browser: opens tabs. `complaints` is what their console would show, `hosts` whom it talked to. */
class Visitor {
  constructor(context) {
    this.context = context;
    this.complaints = [];
    this.navigations = [];
    this.hosts = new Set();
  }

  async tab() {
    const page = await this.context.newPage();
    // Chromium reports most violations in the console, but not those of a report-only policy.
    await page.addInitScript(() => {
      document.addEventListener('securitypolicyviolation', (event) => {
        console.error(`CSP: ${event.violatedDirective} refused ${event.blockedURI} on ${event.documentURI}`);
      });
    });
    page.on('console', (message) => {
      if (message.type() === 'error') this.complaints.push(message.text());
    });
    page.on('pageerror', (error) => this.complaints.push(`uncaught: ${error.message}`));
    page.on('request', (request) => {
      this.hosts.add(new URL(request.url()).host);
      if (request.isNavigationRequest()) this.navigations.push(request.url());
    });
    return page;
  }
}

/** A full-page picture for people, when SCREENSHOT_DIR names a folder. */
export async function screenshot(page, name) {
  const folder = process.env.SCREENSHOT_DIR;
  if (!folder) return;
  mkdirSync(folder, { recursive: true });
  await page.screenshot({ path: path.join(folder, `${name}.png`), fullPage: true });
}

async function playwright() {
  try {
    return (await import('playwright-core')).chromium;
  } catch (cause) {
    const folder = path.resolve(import.meta.dirname, '..');
    throw new Error(`playwright-core is not installed: run "npm ci" in ${folder}`, { cause });
  }
}
