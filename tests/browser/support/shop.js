import { randomBytes } from 'node:crypto';
import { existsSync, readFileSync, readdirSync, statSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { pathToFileURL } from 'node:url';
import { Clerk } from '../../support-js/clerk.js';
import { Gate } from '../../support-js/gate.js';
import { request } from '../../support-js/http.js';
import { Process, freePort } from '../../support-js/processes.js';

export const FOLDER = path.resolve(import.meta.dirname, '../../../examples/nextjs-shop');

const NEXT = path.join(FOLDER, 'node_modules/next/dist/bin/next');
const BUILD = path.join(FOLDER, '.next/BUILD_ID');
const SOURCES = ['app', 'components', 'lib', 'next.config.ts', 'package-lock.json', 'proxy.ts', 'tsconfig.json'];
const NO_NETWORK = path.resolve(import.meta.dirname, 'no-network.js');
const SENTINEL = 'test-rate-limit';

/** The example app, started without the gate; `journal` is what its handlers have done. */
export class Shop {
  static async start(workdir) {
    if (!existsSync(NEXT)) {
      throw new Error(`Next.js is not installed: run "npm ci" in ${FOLDER}`);
    }
    const shop = new Shop();
    shop.workdir = workdir;
    shop.clerk = new Clerk();
    shop.stripeSecret = `whsec_${randomBytes(24).toString('base64url')}`;
    shop.variables = { ...shop.clerk.variables, STRIPE_WEBHOOK_SECRET: shop.stripeSecret };
    if (!upToDate()) await run('next build', ['build'], shop.variables).finished();

    shop.network = path.join(workdir, 'network.log');
    shop.log = path.join(workdir, 'side-effects.jsonl');
    writeFileSync(shop.log, '');
    shop.port = await freePort();
    // `localhost` and not 127.0.0.1: with an address as its host name, Next rewrites its own URLs.
    const place = ['-H', 'localhost', '-p', String(shop.port)];
    shop.process = run('next start', ['start', ...place], {
      ...shop.variables,
      // Asked for at the start, and used for calls to Clerk's servers alone, of which there are none.
      CLERK_SECRET_KEY: 'sk_live_unused',
      SIDE_EFFECT_LOG: shop.log,
      NETWORK_LOG: shop.network,
      NODE_OPTIONS: `--import=${pathToFileURL(NO_NETWORK)}`,
    });
    await shop.process.listening('localhost', shop.port);
    return shop;
  }

  /** A gate in front of the app, with the app's own policy. */
  gate(options) {
    const { workdir, variables } = this;
    return Gate.start({ workdir, variables, policy: policyFor, upstream: `http://localhost:${this.port}`, ...options });
  }

  /** Asks the app itself, past the gate. */
  request(options) {
    return request({ address: 'localhost', port: this.port, ...options });
  }

  /** Forgets what was done so far. */
  forget() {
    writeFileSync(this.log, '');
  }

  /**
   * What the app has done since, as `{effect, ...}`.
   *
   * A request of our own goes to the app first and must show up: an empty list then means
   * that nothing was done, and not that nothing is being written.
   */
  async effects() {
    await this.request({ path: `/api/${SENTINEL}` });
    const lines = readFileSync(this.log, 'utf8').split('\n').filter(Boolean).map((line) => JSON.parse(line));
    const sentinel = lines.findLastIndex((line) => line.effect === SENTINEL);
    if (sentinel < 0) throw new Error('the app does not write to SIDE_EFFECT_LOG');
    lines.splice(sentinel, 1);
    return lines;
  }

  /** Hosts beyond this machine that the app has tried to reach. */
  strangers() {
    const [watching, ...hosts] = readFileSync(this.network, 'utf8').split('\n').filter((line) => line !== '');
    if (watching !== 'watching') throw new Error('nobody watches whom the app talks to');
    return hosts.filter((line) => line !== 'watching');
  }

  /** The id that Next gave to the server action exported under `name`. */
  actionId(name) {
    const file = path.join(FOLDER, '.next/server/server-reference-manifest.json');
    const actions = JSON.parse(readFileSync(file, 'utf8')).node;
    const found = Object.entries(actions).find(([, action]) => action.exportedName === name);
    if (!found) throw new Error(`no server action named ${name} in ${file}`);
    return found[0];
  }

  async stop() {
    await this.process?.stop();
  }
}

/** The example's own policy, moved to the origin of this run. */
export function policyFor(origin) {
  let text = readFileSync(path.join(FOLDER, 'palisade.toml'), 'utf8');
  const here = { public_origin: origin, directory: FOLDER, authorized_parties: [origin] };
  for (const [key, value] of Object.entries(here)) {
    const line = new RegExp(`^${key} = .*$`, 'm');
    if (!line.test(text)) throw new Error(`palisade.toml of the shop has no line "${key} = ..."`);
    text = text.replace(line, () => `${key} = ${JSON.stringify(value)}`);
  }
  return text;
}

function run(name, args, env = {}) {
  return new Process(name, process.execPath, [NEXT, ...args], {
    cwd: FOLDER,
    env: { ...process.env, NODE_ENV: 'production', NEXT_TELEMETRY_DISABLED: '1', ...env },
  });
}

/** Whether the build is there and no source is newer: a stale build fails in puzzling ways. */
function upToDate() {
  if (!existsSync(BUILD)) return false;
  const built = statSync(BUILD).mtimeMs;
  return SOURCES.every((name) => newest(path.join(FOLDER, name)) <= built);
}

function newest(file) {
  const { mtimeMs } = statSync(file);
  if (!statSync(file).isDirectory()) return mtimeMs;
  return Math.max(mtimeMs, ...readdirSync(file).map((name) => newest(path.join(file, name))));
}
