import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { randomBytes } from 'node:crypto';
import { cpSync, existsSync, mkdirSync, readFileSync, writeFileSync } from 'node:fs';
import path from 'node:path';
import { after, describe, test } from 'node:test';
import { binary } from '../../support-js/gate.js';
import { Process, freePort } from '../../support-js/processes.js';
import { FOLDER } from '../support/shop.js';

/** What a person has who was given the shop, installed and built it, and never heard of Palisade. */
class Copy {
  constructor(world, name) {
    this.folder = path.join(world.workdir, name);
    mkdirSync(this.folder);
    const left = ['node_modules', '.next', 'palisade.toml', 'palisade.db', 'README.md', '.env.local', 'offline'];
    cpSync(FOLDER, this.folder, { recursive: true, filter: (from) => !left.includes(path.relative(FOLDER, from)) });
    for (const made of ['BUILD_ID', 'server', 'static']) {
      cpSync(path.join(FOLDER, '.next', made), path.join(this.folder, '.next', made), { recursive: true });
    }
    // The variables that the shop has anyway, as any app with Clerk.
    const variables = { ...world.shop.variables, CLERK_SECRET_KEY: `sk_test_${randomBytes(24).toString('base64url')}` };
    const lines = Object.entries(variables).map(([name, value]) => `${name}=${JSON.stringify(value)}\n`);
    writeFileSync(path.join(this.folder, '.env.local'), lines.join(''));
  }

  /** Runs `palisade` here. Exit code 1 means findings, which a first look has. */
  palisade(...args) {
    const options = { cwd: this.folder, env: { PATH: process.env.PATH }, maxBuffer: 1 << 24 };
    return new Promise((resolve, reject) => {
      execFile(binary(), args, options, (error, out, said) => {
        if (error && error.code !== 1) reject(new Error(`palisade ${args.join(' ')}: ${said}`));
        else resolve({ out, said });
      });
    });
  }

  async init(upstream) {
    const { said } = await this.palisade('init', '--yes', '--upstream', upstream);
    assert.match(said, /Wrote palisade\.toml/);
  }

  /** The one line that init names. */
  enforce() {
    const file = path.join(this.folder, 'palisade.toml');
    const policy = readFileSync(file, 'utf8');
    assert.equal(policy.match(/^mode = "observe".*The one line to change: "enforce"$/gm)?.length, 1);
    writeFileSync(file, policy.replace(/^mode = "observe"/m, 'mode = "enforce"'));
  }

  /** The gate in front of the app, and where it is. */
  async serve() {
    const port = await freePort();
    const place = ['--listen', `127.0.0.1:${port}`, '--admin', 'off', '--store', 'off'];
    const args = ['serve', '--env', 'development', '--env-file', '.env.local', ...place];
    this.gate = new Process('palisade serve', binary(), args, { cwd: this.folder, env: { PATH: process.env.PATH } });
    await this.gate.listening('127.0.0.1', port);
    return `http://127.0.0.1:${port}`;
  }

  async score(origin) {
    const { out } = await this.palisade('check', '--live', origin, '--json');
    return JSON.parse(out);
  }
}

const having = (status, report) => report.findings.filter((finding) => finding.status === status).map(({ id }) => id);

const gained = (before, after) => having('pass', after).filter((id) => !having('pass', before).includes(id));

export default (world) =>
  describe('The first five minutes', () => {
    const copies = [];
    after(() => Promise.all(copies.map((copy) => copy.gate?.stop())));

    test('init, serve and check of a project that knows nothing of Palisade, with no edit by hand', async (t) => {
      const app = `http://localhost:${world.shop.port}`;
      copies.push(new Copy(world, 'as-written'), new Copy(world, 'enforced'));
      const [asWritten, changed] = copies;
      assert.ok(!existsSync(path.join(asWritten.folder, 'palisade.toml')));
      const before = await asWritten.score(app);

      await asWritten.init(app);
      await changed.init(app);
      changed.enforce();
      // Two gates at once, as probes mostly wait for limits to refill.
      const [observed, enforced] = await Promise.all(copies.map(async (copy) => copy.score(await copy.serve())));

      for (const [name, report] of Object.entries({ before, observed, enforced })) {
        t.diagnostic(`${name}: ${JSON.stringify(report.summary)}; fails: ${having('fail', report).join(', ')}`);
      }
      t.diagnostic(`holds only behind the gate: ${gained(before, enforced).join(', ')}`);
      assert.ok(observed.summary.pass > before.summary.pass, 'a policy, and a gate that looks on, show more than nothing');
      assert.ok(enforced.summary.pass > observed.summary.pass, 'and a gate that refuses more than one that looks on');
      assert.ok(enforced.summary.fail < before.summary.fail, `${having('fail', before)} -> ${having('fail', enforced)}`);
      for (const id of ['api/csrf', 'api/rate-limit', 'security/rate-limit', 'security/errors', 'testing/rate-limit', 'testing/errors']) {
        assert.ok(gained(before, enforced).includes(id), `${id} holds behind the gate, and not without`);
      }
    });
  });
