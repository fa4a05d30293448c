import { once } from 'node:events';
import { createInterface } from 'node:readline';
import { spawn } from 'node:child_process';
import { binary } from '../../support-js/gate.js';

const PATIENCE_MS = 60_000;

/** A running `palisade demo`, on ports of its own. `link` signs in at its dashboard, once. */
export class Demo {
  static async start(...more) {
    const demo = new Demo();
    const args = ['demo', '--listen', '127.0.0.1:0', '--admin', '127.0.0.1:0', ...more];
    demo.child = spawn(binary(), args, { stdio: ['ignore', 'ignore', 'pipe'], env: { PATH: process.env.PATH } });
    process.on('exit', () => demo.child.kill('SIGKILL'));
    const said = [];
    const lines = createInterface({ input: demo.child.stderr });
    const ready = new Promise((resolve, reject) => {
      const timer = setTimeout(() => reject(new Error(`no link:\n${said.join('\n')}`)), PATIENCE_MS);
      lines.on('line', (line) => {
        said.push(line);
        demo.origin ??= line.match(/^ {2}open +(http:\/\/\S+?)\/$/)?.[1];
        demo.link ??= line.match(/^ {2}watch +(http:\/\/\S+)$/)?.[1];
        demo.token ??= line.match(/later by the token (\S+)\)/)?.[1];
        if (demo.token) {
          clearTimeout(timer);
          resolve();
        }
      });
    });
    await ready;
    demo.admin = new URL(demo.link).origin;
    return demo;
  }

  async stop() {
    const ended = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    await ended;
  }
}
