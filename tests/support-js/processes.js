import { spawn } from 'node:child_process';
import { randomInt } from 'node:crypto';
import { once } from 'node:events';
import net from 'node:net';

const READY_WITHIN_MS = 60_000;
const STOP_WITHIN_MS = 5_000;
const KEPT_OUTPUT = 8_000;

const running = new Set();
// The last resort when the runner ends without its hooks: nothing of ours may outlive it.
process.on('exit', () => running.forEach((child) => child.kill('SIGKILL')));
for (const signal of ['SIGINT', 'SIGTERM']) process.once(signal, () => process.exit(1));

/** A child process with its last output at hand, for messages that explain a failed start. */
export class Process {
  #said = '';

  constructor(name, command, args, options) {
    this.name = name;
    this.child = spawn(command, args, { stdio: ['ignore', 'pipe', 'pipe'], ...options });
    this.failure = null;
    running.add(this.child);
    this.child.on('error', (error) => (this.failure = error));
    this.child.on('exit', () => running.delete(this.child));
    for (const stream of [this.child.stdout, this.child.stderr]) {
      stream.setEncoding('utf8').on('data', (text) => (this.#said = (this.#said + text).slice(-KEPT_OUTPUT)));
    }
  }

  /** Its last output. */
  get said() {
    return this.#said;
  }

  get ended() {
    return this.failure !== null || this.child.exitCode !== null || this.child.signalCode !== null;
  }

  /** Resolves once something accepts connections at `port`. */
  async listening(host, port) {
    const deadline = Date.now() + READY_WITHIN_MS;
    while (!(await accepts(host, port))) {
      if (this.ended) throw new Error(this.#explain('ended before it listened'));
      if (Date.now() > deadline) throw new Error(this.#explain(`did not listen on ${host}:${port} in time`));
      await soon();
    }
    // Somebody else may have taken the port between its choice and the start.
    if (this.ended) throw new Error(this.#explain(`ended while another process listens on ${host}:${port}`));
  }

  /** Resolves once the process has ended by itself, successfully. */
  async finished() {
    if (!this.ended) await once(this.child, 'close');
    if (this.failure || this.child.exitCode !== 0) throw new Error(this.#explain('failed'));
  }

  async stop() {
    if (this.ended) return;
    const gone = once(this.child, 'exit');
    this.child.kill('SIGTERM');
    const harder = setTimeout(() => this.child.kill('SIGKILL'), STOP_WITHIN_MS);
    await gone;
    clearTimeout(harder);
  }

  #explain(what) {
    const cause = this.failure ? ` (${this.failure.message})` : '';
    return `${this.name} ${what}${cause}. It said:\n${this.#said || '(nothing)'}`;
  }
}

/**
 * A port for a program that takes no 0. It is below those that Linux chooses itself, from 32,768 on: the kernel would give it
 * to somebody else before the program asks for it.
 */
export async function freePort() {
  for (;;) {
    const server = net.createServer().listen(randomInt(10_240, 32_768), '127.0.0.1');
    const port = await once(server, 'listening').then(() => server.address().port, () => null);
    if (port === null) continue;
    server.close();
    await once(server, 'close');
    return port;
  }
}

/** Calls `attempt` until it returns something truthy; fails with `what` after the time. */
export async function eventually(what, attempt, withinMs = 10_000) {
  const deadline = Date.now() + withinMs;
  for (;;) {
    const result = await attempt();
    if (result) return result;
    if (Date.now() > deadline) throw new Error(`waited ${withinMs} ms in vain: ${what}`);
    await soon();
  }
}

function accepts(host, port) {
  return new Promise((resolve) => {
    const socket = net.connect({ host, port });
    socket.on('connect', () => socket.destroy(resolve(true)));
    socket.on('error', () => resolve(false));
  });
}

function soon() {
  return new Promise((resolve) => setTimeout(resolve, 25));
}
