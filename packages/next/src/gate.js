// Drives the guard over one request: answers its questions, hands on what is admitted, finishes every response.

import { around, compile } from './compile.js';
import { Core, Operation, Said } from './core.js';
import { folded } from './fold.js';
import { ConfigError, line } from './problems.js';
import { surroundings } from './surroundings.js';
import { Together } from './together.js';

const KEYS_WITHIN_MS = 5_000;
const KEYS_COOLDOWN_MS = 30_000;
const MAX_KEYS_BYTES = 256 * 1024;
const BODILESS = new Set([101, 204, 205, 304]);
const SHARED = Symbol.for('palisade-gate.gate');
const decoder = new TextDecoder();

/** Addresses of connections, where a server's adapter knows them: by request, and whether there is such an adapter. */
export const PEERS = { of: new WeakMap(), known: false };

/** The gate of this process: bundles of one app load this file several times, and must share what was counted. */
export function shared() {
  return (globalThis[SHARED] ??= new Gate(surroundings()));
}

/** Replaces the gate of this process: for servers that read their policy elsewhere, and for tests. */
export function configure(options) {
  globalThis[SHARED] = new Gate({ ...surroundings(), ...options });
}

/** A gate with its own counts. */
export class Gate {
  #core;
  #facts;
  #options;
  #plans = new Map();
  #keys = { asked: -Infinity, fetching: null };
  #together = null;
  /** Whether the shared server is to be told something. */
  #late = false;
  #settling = null;

  constructor(options) {
    this.#options = options;
  }

  /** Starts the gate if it has not started; throws {@link ConfigError}. */
  start() {
    if (this.#core) return this.#facts;
    const core = new Core();
    const { said, value } = begin(core, this.#options);
    if (said !== Said.Started) throw new ConfigError(value.problems ?? []);
    this.#core = core;
    this.#plans.clear();
    this.#together = this.#shares(core, value);
    for (const warning of value.warnings) this.#warn(line(warning).trim());
    if (!this.#facts) this.#greet(value);
    return (this.#facts = value);
  }

  /** The way to the server that gates share, where the policy names one and the app has a client. */
  #shares(core, { patience }) {
    if (patience === null) return null;
    const call = (operation, write) => this.#call(core, operation, 0, write);
    return new Together({ client: this.#options.redis, patience, call, warn: (text) => this.#warn(text) });
  }

  /** Bytes of memory that all state takes; 0 where nobody can say ({@link Core}). */
  get memory() {
    return this.#core?.memory ?? 0;
  }

  #greet({ redis, proxies }) {
    const { platform, address, redis: client } = this.#options;
    if (redis && !client) {
      this.#warn(`[state] redis is in the policy and no client was given (configure({ redis })): its outage mode holds`);
    } else if (client && !redis) {
      this.#warn('a redis client was given and the policy has no [state] redis: this process counts for itself');
    } else if (platform === 'vercel' && !redis) {
      this.#warn('limits and used tokens live in each instance alone, and Vercel runs many: name a [state] redis');
    }
    if (platform !== 'vercel' && !address && !proxies && !PEERS.known) {
      this.#warn('nothing says who asks ([clients] trusted_proxies): all clients share one quota');
    }
  }

  #warn(text) {
    (this.#options.warn ?? console.warn)(`palisade: ${text}`);
  }

  /** Whether the policy names the route of a request. */
  find(method, path) {
    this.start();
    return this.#call(this.#core, Operation.Find, 0, (message) => message.text(method).text(path)).value;
  }

  /** The plan that has this route beside those of the policy; `checked` if its handler has a schema. */
  plan(route) {
    const { path, kind, method, limit = '', because = '', signature, checked } = route;
    const { scheme = '', secrets = [] } = signature ?? {};
    return this.#extended(path, (message) => {
      message.byte(0).byte(checked ? 1 : 0);
      for (const text of [path, kind, method, limit, because, scheme]) message.text(String(text));
      message.count(secrets.length);
      for (const name of secrets) message.text(String(name));
    });
  }

  /** The policy's plan, with the input of that request's route checked by the handler's schema. */
  checked(key, method, path) {
    return this.#extended(key, (message) => message.byte(1).text(method).text(path));
  }

  #extended(key, write) {
    this.start();
    const known = this.#plans.get(key);
    if (known !== undefined) return known;
    const { said, value } = this.#call(this.#core, Operation.Extend, 0, write);
    if (said !== Said.Started) throw new ConfigError(value?.problems ?? []);
    this.#plans.set(key, value.plan);
    return value.plan;
  }

  /** Takes a request through the gate, and through `handler` if it is admitted. */
  async handle(request, handler, { plan = () => 0, address, check } = {}) {
    let verdict;
    try {
      verdict = await this.decide(request, { plan: plan(), address, check });
    } catch (error) {
      return this.#broken(error);
    }
    if (verdict.answer) {
      if (this.#together) await this.settled();
      return verdict.answer;
    }
    if (verdict.vouched) return handler(request, callerOf(request.headers));
    try {
      return await this.#admit(request, verdict.admitted, handler);
    } finally {
      if (this.#together) await this.settled();
    }
  }

  async #admit(request, admitted, handler) {
    const passing = shape(request, admitted);
    try {
      return this.finish(admitted, await handler(passing.request, callerOf(passing.request.headers)));
    } catch (error) {
      if (passing.overrun()) return this.fail(admitted, 0);
      // What Next.js throws to redirect is no failure; it answers by itself, and the event says what.
      const status = thrownStatus(error);
      if (status) this.finish(admitted, new Response(null, { status }));
      else this.fail(admitted, 2);
      throw error;
    }
  }

  /**
   * What becomes of a request: `{ answer }`, `{ admitted }`, or `{ vouched }` by a gate before this one. `check` says of
   * a whole body what is wrong with it: pairs of JSON pointer and text, or `null` for a body that it cannot read.
   */
  async decide(request, { plan = 0, address, check } = {}) {
    const facts = this.start();
    // Whoever waits lets others go first, which takes time too.
    const ready = this.#together?.ready();
    if (ready) await ready;
    let reading = null;
    const core = this.#core;
    const call = (operation, handle, write) => this.#call(core, operation, handle, write);
    let step = call(Operation.Inspect, plan, (message) => this.#head(message, request, address, check));
    try {
      for (;;) {
        const { said, value } = step;
        if (said === Said.Answer) return { answer: this.#response(step) };
        // Numbers are the module's own: after a restart they are another request's.
        if (said === Said.Admit) return { admitted: { ...value, core } };
        if (said === Said.Vouched) return { vouched: value };
        if (said === Said.Collect) {
          reading ??= new Reading(request);
          const { how, bytes } = await reading.upTo(value.limit, value.within);
          const found = how === 1 ? (check?.(bytes) ?? null) : null;
          step = call(Operation.Resume, value.handle, (message) => wrong(message.byte(how).data(bytes), found));
        } else if (said === Said.Keys) {
          const keys = await this.#fetchKeys(facts.jwks);
          const how = keys ? 1 : 0;
          step = call(Operation.Resume, value.handle, (message) => wrong(message.byte(how).data(keys ?? new Uint8Array())));
        } else if (said === Said.Ask) {
          const answer = (await this.#together?.ask(value, value.within)) ?? null;
          step = call(Operation.Resume, value.handle, (message) => wrong(message.byte(answer ? 1 : 0).data(answer?.bytes ?? new Uint8Array())));
        } else if (said === Said.Fold) {
          step = call(Operation.Resume, value.handle, (message) => wrong(message.byte(1).text(folded(value.letters))));
        } else if (said === Said.Pause) {
          await new Promise((resolve) => setTimeout(resolve, value.time));
          step = call(Operation.Resume, value.handle, (message) => wrong(message.byte(1).data(new Uint8Array())));
        } else if (said === Said.Full) {
          return { answer: plain(503, 'overloaded', 'Service unavailable') };
        } else {
          return { answer: plain(400, 'header-malformed', 'Bad request') };
        }
      }
    } finally {
      reading?.end();
    }
  }

  /** Shapes the application's response. */
  finish(admitted, response) {
    const step = this.#call(admitted.core, Operation.Finish, admitted.handle, (message) =>
      message.count(response.status).latin1(fields(response.headers)),
    );
    if (step.said !== Said.Finished) return plain(500, 'internal', 'Internal server error');
    return this.#response(step, response.body, response.statusText);
  }

  /** Waits until the shared server knows how messages ended: on some platforms nothing runs after the answer. */
  async settled() {
    if (this.#late) this.#settling = this.#together?.caughtUp();
    this.#late = false;
    await this.#settling;
  }

  /** Answers in place of the application: 0 its body was too large, 1 its body broke, 2 it failed. */
  fail(admitted, fault) {
    return this.#response(this.#call(admitted.core, Operation.Fail, admitted.handle, (message) => message.byte(fault)));
  }

  #response({ value, body, event }, theirs = null, statusText = '') {
    if (event) this.#options.event(event);
    if (value.late) this.#late = true;
    // As a text, which Node.js need not copy; all that the gate says is one.
    const ours = body.length > 0 ? decoder.decode(body) : null;
    const content = BODILESS.has(value.status) ? null : value.replaced ? ours : theirs;
    return new Response(content, { status: value.status, statusText, headers: record(value.headers) });
  }

  #head(message, request, given, check) {
    const { url, headers, body } = request;
    const target = url.slice(url.indexOf('/', url.indexOf('://') + 3)).split('#', 1)[0];
    const sized = isSized(headers);
    const hint = body === null ? 0 : sized ? 1 : 2;
    const host = headers.has('host') ? '' : `host:${new URL(url).host}\n`;
    message.text(given ?? PEERS.of.get(request) ?? this.#options.address?.(request) ?? '').byte(hint).number(sized ? Number(headers.get('content-length')) : 0).byte(check ? 1 : 0);
    message.latin1(`${request.method} ${target}\n${host}${fields(headers)}`);
  }

  #call(core, operation, handle, write) {
    try {
      return core.call(operation, handle, write);
    } catch (error) {
      // It stopped in the middle: nothing it holds can be trusted. The next request starts another one, which takes no
      // token from before its start, so none can be used twice.
      if (core.failed && core === this.#core) this.#core = undefined;
      throw error;
    }
  }

  /** Fails closed: no decision, no passage. */
  #broken(error) {
    (this.#options.error ?? console.error)(error instanceof ConfigError ? error.message : error);
    return plain(500, 'internal', 'Internal server error');
  }

  /** The issuer's keys, or nothing new: one fetch for all who ask, and then none for a while. */
  #fetchKeys(url) {
    const keys = this.#keys;
    if (keys.fetching) return keys.fetching;
    if (!url || performance.now() - keys.asked < KEYS_COOLDOWN_MS) return null;
    keys.asked = performance.now();
    keys.fetching = fetchKeys(url, this.#options.fetch ?? fetch).catch((error) => {
      this.#warn(`the issuer's keys cannot be fetched: ${error.message}`);
      return null;
    });
    return keys.fetching.finally(() => (keys.fetching = null));
  }
}

async function fetchKeys(url, get) {
  const answer = await get(url, { redirect: 'error', cache: 'no-store', signal: AbortSignal.timeout(KEYS_WITHIN_MS) });
  if (!answer.ok) throw new Error(`${url} answered ${answer.status}`);
  const reading = new Reading(answer);
  const { how, bytes } = await reading.upTo(MAX_KEYS_BYTES + 1, KEYS_WITHIN_MS);
  reading.end();
  if (how !== 1) throw new Error(`${url} is too long or too slow`);
  return bytes;
}

/** What the handler's schema found; nothing where it did not look. */
function wrong(message, found = null) {
  message.count(found === null ? 0 : found.length + 1);
  for (const [pointer, text] of found ?? []) message.text(pointer).text(text);
}

/** The beginning of a body, read from a copy: the handler finds it whole. */
class Reading {
  #message;
  #reader;
  #read = new Uint8Array();
  #complete = false;

  constructor(message) {
    this.#message = message;
  }

  async upTo(limit, withinMs) {
    let timer;
    const late = new Promise((resolve) => (timer = setTimeout(resolve, withinMs, 'late')));
    try {
      this.#reader ??= this.#message.clone().body?.getReader();
      while (this.#reader && !this.#complete && this.#read.length < limit) {
        const part = await Promise.race([this.#reader.read(), late]);
        if (part === 'late') return { how: 2, bytes: new Uint8Array() };
        if (part.done) this.#complete = true;
        else this.#read = joined(this.#read, part.value);
      }
    } catch {
      return { how: 3, bytes: new Uint8Array() };
    } finally {
      clearTimeout(timer);
    }
    const complete = (this.#complete || !this.#reader) && this.#read.length <= limit;
    return { how: complete ? 1 : 0, bytes: this.#read.subarray(0, limit) };
  }

  end() {
    this.#reader?.cancel().catch(() => {});
  }
}

function joined(first, second) {
  const both = new Uint8Array(first.length + second.length);
  both.set(first);
  both.set(second, first.length);
  return both;
}

/** The request as the handler sees it: the client's own words in the gate's name are gone, the gate's are there. */
function shape(request, { set, remove, cap }) {
  const sized = request.body === null || isSized(request.headers);
  if (sized && rewrite(request.headers, set, remove)) return { request, overrun: () => false };
  const told = new Headers(request.headers);
  rewrite(told, set, remove);
  let overrun = false;
  let left = cap;
  const capped = new TransformStream({
    transform(chunk, controller) {
      left -= chunk.byteLength;
      if (left >= 0) return controller.enqueue(chunk);
      overrun = true;
      controller.error(new Error('the request body is larger than the route takes'));
    },
  });
  const init = { headers: told };
  if (!sized) Object.assign(init, { body: request.body.pipeThrough(capped), duplex: 'half' });
  return { request: new request.constructor(request, init), overrun: () => overrun };
}

/** Whether the server knows how long the body is, and so holds the client to it. */
function isSized(headers) {
  return /^[0-9]{1,15}$/.test(headers.get('content-length') ?? '');
}

/** The status by which Next.js answers what `redirect()`, `notFound()` and their like throw. */
export function thrownStatus(error) {
  const digest = typeof error?.digest === 'string' ? error.digest : '';
  const [, status] = /^NEXT_REDIRECT;.*;(30[1378]);?$/.exec(digest) ?? [];
  if (status) return Number(status);
  const [, fallback] = /^NEXT_HTTP_ERROR_FALLBACK;(4\d\d)$/.exec(digest) ?? [];
  return fallback ? Number(fallback) : null;
}

/** Changes fields in place; whether that was allowed, and is so. */
function rewrite(headers, set, remove) {
  try {
    for (const name of remove) headers.delete(name);
    for (const [name, value] of set) headers.set(name, value);
    return remove.every((name) => !headers.has(name)) && set.every(([name, value]) => headers.get(name) === value);
  } catch {
    return false;
  }
}

/** Pairs as Node.js takes them in half the time; where a name stands twice (cookies), as they are. */
function record(pairs) {
  const one = Object.create(null);
  for (const [name, value] of pairs) one[name] = value;
  return Object.keys(one).length === pairs.length ? one : pairs;
}

/** Who was verified; `null` for nobody. Only for requests that the gate has shaped. */
export function callerOf(headers) {
  const text = (name) => headers.get(`x-palisade-${name}`);
  const list = (name) => (text(name) ?? '').split(',').map((item) => item.trim()).filter(Boolean);
  const user = text('user');
  if (user === null) return null;
  const lists = { roles: list('role'), permissions: list('permissions'), plans: list('plans'), features: list('features') };
  return { user, session: text('session'), organization: text('org'), actor: text('actor'), ...lists };
}

function fields(headers) {
  let text = '';
  for (const [name, value] of headers) text += `${name}:${value}\n`;
  return text;
}

/** An answer to what the guard could not read, or for when it cannot be asked. */
function plain(status, code, title) {
  const problem = { type: 'about:blank', title, status, code, error: title };
  const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  return new Response(JSON.stringify(problem), { status, headers });
}

/** Gives a module a policy, its text or what `withPalisade` has made of it, and what lies around it. */
export function begin(core, options) {
  const { policy, redis } = options;
  const compiled = typeof policy === 'string' ? compile(options) : policy;
  return core.call(Operation.Start, 0, (message) => around(message.data(compiled).byte(redis ? 1 : 0), options));
}
