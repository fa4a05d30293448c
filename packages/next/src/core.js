// The gate's own code behind plain calls: the native build where one is installed, else the WebAssembly module. What each
// operation takes and says is written in crates/js/src/face.rs.

import { decides, native, reads } from '#module';

export const Operation = {
  Start: 1, Extend: 2, Find: 3, Inspect: 4, Resume: 5, Finish: 6, Fail: 7, Drop: 8, Beat: 9, Beaten: 10, Late: 11, Told: 12,
  Reach: 13, Blocked: 14,
};
export const Said = {
  Started: 0, Problems: 1, Found: 2, Answer: 3, Admit: 4, Collect: 5, Keys: 6, Vouched: 7, Finished: 8, Bad: 9, Full: 10,
  Pause: 11, Ask: 12, Fold: 13,
};

const SEED_BYTES = 32;
const POOL_BYTES = 4096;
const SHORT = 128;
const NOTHING = new Uint8Array();
// The stopwatch starts an hour in, so that nothing counts from zero.
const HEAD_START_MICROS = 3_600_000_000;

const encoder = new TextEncoder();
const decoder = new TextDecoder();

/** A message under way: numbers are little-endian, a text is its length and its bytes. */
export class Message {
  constructor() {
    this.bytes = new Uint8Array(16_384);
    this.view = new DataView(this.bytes.buffer);
    this.length = 0;
  }

  room(more) {
    if (this.length + more <= this.bytes.length) return;
    const larger = new Uint8Array(2 * (this.length + more));
    larger.set(this.bytes.subarray(0, this.length));
    this.bytes = larger;
    this.view = new DataView(larger.buffer);
  }

  byte(value) {
    this.room(1);
    this.bytes[this.length++] = value;
    return this;
  }

  count(value) {
    this.room(4);
    this.view.setUint32(this.length, value, true);
    this.length += 4;
    return this;
  }

  number(value) {
    this.room(8);
    this.view.setFloat64(this.length, value, true);
    this.length += 8;
    return this;
  }

  raw(bytes) {
    this.room(bytes.length);
    this.bytes.set(bytes, this.length);
    this.length += bytes.length;
    return this;
  }

  data(bytes) {
    return this.count(bytes.length).raw(bytes);
  }

  /** A text as UTF-8. Short ones of ASCII, which are most, take no bytes of their own. */
  text(text) {
    const from = this.length;
    if (text.length > SHORT) return this.data(encoder.encode(text));
    this.count(text.length).room(text.length);
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      if (code > 127) {
        this.length = from;
        return this.data(encoder.encode(text));
      }
      this.bytes[this.length++] = code;
    }
    return this;
  }

  /** A text as fetch keeps header bytes: one character a byte. Other characters become `?`, which no rule takes. */
  latin1(text) {
    this.count(text.length).room(text.length);
    const { bytes } = this;
    let { length } = this;
    for (let at = 0; at < text.length; at++) {
      const code = text.charCodeAt(at);
      bytes[length++] = code < 256 ? code : 63;
    }
    this.length = length;
    return this;
  }
}

/** One gate of its own: of the native build or of the module that decides, unless told otherwise. */
export class Core {
  #machine;
  #message = new Message();
  #pool = new Uint8Array(POOL_BYTES);
  #used = POOL_BYTES;
  #failed = false;

  constructor(machine = machineThatDecides()) {
    this.#machine = machine;
  }

  /** The module that reads policy files. It is on the disk of whoever builds or starts from source, and in no bundle. */
  static reader() {
    return new Core(new Wasm(reads()));
  }

  /**
   * Runs an operation; `write` adds what it takes after time and random bytes. A machine that failed never answers
   * again: whoever catches the error needs another one.
   */
  call(operation, handle, write) {
    const message = this.#message;
    message.length = 0;
    message.number(Date.now() * 1000).number(Math.floor(performance.now() * 1000) + HEAD_START_MICROS);
    this.#random(message);
    write?.(message);
    let said;
    try {
      said = this.#machine.call(operation, handle, message.bytes.subarray(0, message.length));
    } catch (error) {
      this.#failed = true;
      throw error;
    }
    return read(...said);
  }

  /** Whether it stopped in the middle of a call. */
  get failed() {
    return this.#failed;
  }

  /** Bytes of memory the module has taken, which never gives any back; 0 of a native build, where nobody can say. */
  get memory() {
    return this.#machine.memory;
  }

  /** Adds random bytes, each of which is used once. */
  #random(message) {
    if (this.#used + SEED_BYTES > POOL_BYTES) {
      crypto.getRandomValues(this.#pool);
      this.#used = 0;
    }
    const seed = this.#pool.subarray(this.#used, this.#used + SEED_BYTES);
    message.raw(seed);
    seed.fill(0);
    this.#used += SEED_BYTES;
  }
}

/** An instance of a WebAssembly module. */
export class Wasm {
  #exports;
  #views = [];

  constructor(module) {
    this.#exports = new WebAssembly.Instance(module, {}).exports;
  }

  /** What the answer is, and where it lies. */
  call(operation, handle, message) {
    const { memory, reserve, call, answer } = this.#exports;
    const at = reserve(message.length) >>> 0;
    this.#bytes(memory.buffer).set(message, at);
    const said = call(operation, handle);
    return [said, this.#bytes(memory.buffer), answer() >>> 0];
  }

  get memory() {
    return this.#exports.memory.buffer.byteLength;
  }

  /** The module's memory; its buffer is another one after it has grown. */
  #bytes(buffer) {
    if (this.#views[0] !== buffer) this.#views = [buffer, new Uint8Array(buffer)];
    return this.#views[1];
  }
}

/** A gate of the native build. Its answers say first what they are. */
class Native {
  memory = 0;
  #gate;

  constructor({ Gate }) {
    this.#gate = new Gate();
  }

  call(operation, handle, message) {
    const answer = this.#gate.call(operation, handle, message);
    return [answer[0], answer, 1];
  }
}

function machineThatDecides() {
  const build = native();
  return build ? new Native(build) : new Wasm(decides());
}

/** Takes an answer apart. Its body is a copy: what holds it is written over by the next call. */
function read(said, bytes, at) {
  const count = (from) => (bytes[from] | (bytes[from + 1] << 8) | (bytes[from + 2] << 16) | (bytes[from + 3] << 24)) >>> 0;
  const text = (from, to) => (from === to ? '' : decoder.decode(bytes.subarray(from, to)));
  const end = at + 4 + count(at);
  const jsonEnd = at + 8 + count(at + 4);
  const bodyAt = jsonEnd + 4 + count(jsonEnd);
  const value = JSON.parse(text(at + 8, jsonEnd));
  return { said, value, event: text(jsonEnd + 4, bodyAt), body: bodyAt === end ? NOTHING : bytes.slice(bodyAt, end) };
}
