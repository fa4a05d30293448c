// Events to a Palisade that watches elsewhere: `POST /intake/events`, lines of JSON, a token. It never waits, never
// throws, and holds a bounded number of lines; what finds no room is dropped, and that is said.

const MAX_LINES = 2_000;
const MAX_BATCH_BYTES = 256 * 1024;
const EVERY_MS = 1_000;
const WITHIN_MS = 5_000;

/** Takes event lines and sends them in batches. */
export function intake({ url, token, fetch: send = globalThis.fetch, warn = console.warn }) {
  const target = new URL('/intake/events', url);
  const local = /^(?:localhost|127\.[0-9.]+|\[::1\])$/.test(target.hostname);
  if (!token) throw new TypeError('intake: a token is needed (PALISADE_INTAKE_TOKEN)');
  if (target.protocol !== 'https:' && !local) throw new TypeError('intake: the token travels over https, or to this machine');
  return new Queue({ target, token, send, warn });
}

class Queue {
  #to;
  #lines = [];
  #dropped = 0;
  #timer = null;
  #sending = false;

  constructor(to) {
    this.#to = to;
  }

  /** Takes a line. */
  add(line) {
    if (this.#lines.length >= MAX_LINES) {
      if (this.#dropped++ === 0) this.#to.warn('palisade: the intake is too slow or out; events are dropped');
      return;
    }
    this.#lines.push(line.endsWith('\n') ? line : `${line}\n`);
    this.#later();
  }

  /** Lines that found no room so far. */
  get dropped() {
    return this.#dropped;
  }

  /** Sends what there is; before a process ends. */
  async flush() {
    clearTimeout(this.#timer);
    this.#timer = null;
    if (this.#sending) return;
    this.#sending = true;
    try {
      while (this.#lines.length > 0 && (await this.#batch()));
    } finally {
      this.#sending = false;
      if (this.#lines.length > 0) this.#later();
    }
  }

  #later() {
    this.#timer ??= setTimeout(() => this.flush(), EVERY_MS);
    // A process that is done does not wait for the next batch.
    this.#timer.unref?.();
  }

  /** Sends a batch; whether it arrived. One that did not is tried again. */
  async #batch() {
    let bytes = 0;
    const fits = this.#lines.findIndex((line) => (bytes += line.length * 3) > MAX_BATCH_BYTES);
    const count = fits === -1 ? this.#lines.length : Math.max(fits, 1);
    const { target, token, send } = this.#to;
    const headers = { authorization: `Bearer ${token}`, 'content-type': 'application/x-ndjson' };
    const body = this.#lines.slice(0, count).join('');
    try {
      const answer = await send(target, { method: 'POST', headers, body, redirect: 'error', signal: AbortSignal.timeout(WITHIN_MS) });
      await answer.body?.cancel();
      // What it does not take now it will not take later; a server that is busy or out may.
      if (!answer.ok && (answer.status === 429 || answer.status >= 500)) return false;
    } catch {
      return false;
    }
    this.#lines.splice(0, count);
    return true;
  }
}
