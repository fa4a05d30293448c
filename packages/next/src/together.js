// State that several servers share, kept by a Redis that the app has a client for. What is asked, and what an answer
// means, is the guard's own; here it is carried, within the time that a request may wait.
//
// There is no timer: a platform may stop a process between two requests. Each request sees to it that the sign of life
// is given when it is due. While the server is out no request waits for it at all.

import { Operation, Said } from './core.js';

const BEAT_EVERY_MS = 2_000;
/** How often a server that is out is tried. */
const PROBE_EVERY_MS = 250;
/** So many questions in a row without an answer, and the server is out. */
const FAILURES = 3;
/** How long a client may take to connect. No request waits for it longer than twice its own time. */
const DIAL_MS = 2_000;
/** Questions under way; what is beyond would only wait for its time to be over. */
const MAX_UNDER_WAY = 1024;

/** The function that runs a script over a client of `ioredis`, `redis` or `@upstash/redis`, told apart by their methods. */
export function runnerOf(client) {
  const is = (name) => typeof client?.[name] === 'function';
  const run = runner(client, is);
  if (!run) throw new TypeError('palisade: `redis` is a client of ioredis, redis or @upstash/redis');
  // Unknown to this server: it keeps what it is given in full.
  return ({ digest, text, keys, arguments: args }) =>
    run.known(digest, keys, args).catch((error) => {
      if (!String(error?.message ?? error).includes('NOSCRIPT')) throw error;
      return run.whole(text, keys, args);
    });
}

function runner(client, is) {
  if (is('evalSha') && is('eval')) {
    return {
      known: async (digest, keys, args) => client.evalSha(digest, { keys, arguments: args }),
      whole: async (text, keys, args) => client.eval(text, { keys, arguments: args }),
    };
  }
  if (!is('evalsha') || !is('eval')) return null;
  if (is('defineCommand')) {
    return {
      known: async (digest, keys, args) => client.evalsha(digest, keys.length, ...keys, ...args),
      whole: async (text, keys, args) => client.eval(text, keys.length, ...keys, ...args),
    };
  }
  return {
    known: async (digest, keys, args) => client.evalsha(digest, keys, args),
    whole: async (text, keys, args) => client.eval(text, keys, args),
  };
}

/** One process's way to the server. */
export class Together {
  #run;
  #call;
  #warn;
  #patience;
  #up = false;
  #tried = -Infinity;
  #known = false;
  /** Whether the last sign of life was answered: the client is connected. */
  #met = false;
  #turning = null;
  #telling = Promise.resolve(true);
  #failures = 0;
  #underWay = 0;
  #out = false;

  /** `call` runs an operation of the module; `patience` is how long an answer may take, in milliseconds. */
  constructor({ client, patience, call, warn }) {
    this.#run = runnerOf(client);
    this.#patience = patience;
    this.#call = call;
    this.#warn = warn;
  }

  /** Before a request. Only the first ones of a process wait, until the server has been tried. */
  ready() {
    const idle = performance.now() - this.#tried;
    if (idle >= (this.#up ? BEAT_EVERY_MS : PROBE_EVERY_MS)) {
      this.#turning ??= this.#turn().catch(() => {}).finally(() => {
        this.#turning = null;
        this.#known = true;
      });
    }
    return this.#known ? null : within(2 * this.#patience, this.#turning);
  }

  /** Asks, for no longer than `patience` milliseconds. The answer as the module reads it, or `null`. */
  async ask(question, patience) {
    if (!this.#up || patience <= 0 || this.#underWay >= MAX_UNDER_WAY) return null;
    this.#underWay++;
    const answer = await this.#carry(question, patience);
    this.#underWay--;
    if (answer !== null) this.#failures = 0;
    else if (++this.#failures >= FAILURES) this.#fell('questions are not answered');
    return answer;
  }

  /** Tells the server what was decided without it; whether all of it was told. One at a time tells. */
  caughtUp() {
    return (this.#telling = this.#telling.then(() => this.#tell()).catch(() => false));
  }

  async #turn() {
    this.#tried = performance.now();
    let why = 'it does not answer in time';
    const patience = this.#met ? this.#patience : Math.max(this.#patience, DIAL_MS);
    const answer = await this.#carry(this.#call(Operation.Beat).value, patience, (error) => (why = reason(error)));
    this.#met = answer !== null;
    const beaten = answer === null ? null : this.#call(Operation.Beaten, answer);
    if (beaten === null || beaten.said === Said.Bad) return this.#fell(why);
    // Who is shut out elsewhere is shut out here. What fails is tried again with the next sign of life.
    if (beaten.said === Said.Ask) {
      const blocks = await this.#carry(beaten.value, this.#patience);
      if (blocks !== null) this.#call(Operation.Blocked, blocks);
    }
    if (this.#up || !(await this.caughtUp())) return;
    const { alone, replayed } = this.#reach(true);
    // Requests that found it out a moment ago may have decided alone since.
    await this.caughtUp();
    if (this.#out) this.#warn(`shared state is back; ${alone} tokens were taken alone meanwhile, ${replayed} of them twice`);
    this.#out = false;
  }

  #fell(why) {
    this.#reach(false);
    if (!this.#out) this.#warn(`shared state is out (${why}): each kind of route goes on as [state] outage says`);
    this.#out = true;
  }

  #reach(up) {
    this.#up = up;
    this.#failures = 0;
    return this.#call(Operation.Reach, (message) => message.byte(up ? 1 : 0)).value;
  }

  async #tell() {
    for (;;) {
      const { said, value } = this.#call(Operation.Late);
      if (said !== Said.Ask) return true;
      const answer = await this.#carry(value, this.#patience);
      if (answer === null) return false;
      this.#call(Operation.Told, answer);
    }
  }

  /** One script there, its integers back; `null` where none come in time. */
  async #carry(question, patience, failed) {
    try {
      return listed(await within(patience, this.#run(question)));
    } catch (error) {
      failed?.(error);
      return null;
    }
  }
}

/** What comes of a promise in that time, in milliseconds; else `null`. */
async function within(time, promise) {
  let timer;
  const late = new Promise((resolve) => (timer = setTimeout(resolve, time, null)));
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

/** Whole numbers as the module reads them; `null` for anything else. */
function listed(answer) {
  if (!Array.isArray(answer)) return null;
  // Some clients are set to bring large numbers as texts.
  const numbers = answer.map((item) => (typeof item === 'string' && /^-?[0-9]{1,16}$/.test(item) ? Number(item) : item));
  if (!numbers.every(Number.isSafeInteger)) return null;
  const bytes = new TextEncoder().encode(numbers.join());
  return Object.assign((message) => message.data(bytes), { bytes });
}

/** A client's own words, without the address and the password that some of them put there. */
function reason(error) {
  return String(error?.code ?? error?.name ?? 'error').slice(0, 40);
}
