// The WebAssembly module behind plain calls. What each operation takes and says is written in crates/js/src/face.rs.

import { decides, reads } from '#module';

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

  /** A text as UTF-8. */
  text(text) {
    return this.data(encoder.encode(text));
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

/** One instance of a module: of the one that decides, unless told otherwise. */
export class Core {
  #exports;
  #message = new Message();
  #pool = new Uint8Array(POOL_BYTES);
  #used = POOL_BYTES;

  constructor(module = decides()) {
    this.#exports = new WebAssembly.Instance(module, {}).exports;
  }

  /** The module that reads policy files. It is on the disk of whoever builds or starts from source, and in no bundle. */
  static reader() {
    return new Core(reads());
  }

  /**
   * Runs an operation; `write` adds what it takes after time and random bytes. A module that failed never answers
   * again: whoever catches the error needs another one.
   */
  call(operation, handle, write) {
    const message = this.#message;
    message.length = 0;
    message.number(Date.now() * 1000).number(Math.floor(performance.now() * 1000) + HEAD_START_MICROS);
    message.raw(this.#random());
    write?.(message);
    const { memory, reserve, call, answer } = this.#exports;
    const at = reserve(message.length) >>> 0;
    new Uint8Array(memory.buffer, at, message.length).set(message.bytes.subarray(0, message.length));
    const said = call(operation, handle);
    return read(said, memory.buffer, answer() >>> 0);
  }

  /** Bytes of memory the module has taken. It never gives any back. */
  get memory() {
    return this.#exports.memory.buffer.byteLength;
  }

  #random() {
    if (this.#used + SEED_BYTES > POOL_BYTES) {
      crypto.getRandomValues(this.#pool);
      this.#used = 0;
    }
    const seed = this.#pool.slice(this.#used, this.#used + SEED_BYTES);
    this.#pool.fill(0, this.#used, this.#used + SEED_BYTES);
    this.#used += SEED_BYTES;
    return seed;
  }
}

function read(said, buffer, at) {
  const view = new DataView(buffer);
  const end = at + 4 + view.getUint32(at, true);
  const jsonEnd = at + 8 + view.getUint32(at + 4, true);
  const value = JSON.parse(decoder.decode(new Uint8Array(buffer, at + 8, jsonEnd - at - 8)));
  const bodyAt = jsonEnd + 4 + view.getUint32(jsonEnd, true);
  const event = bodyAt > jsonEnd + 4 ? decoder.decode(new Uint8Array(buffer, jsonEnd + 4, bodyAt - jsonEnd - 4)) : '';
  return { said, value, event, body: new Uint8Array(buffer, bodyAt, end - bodyAt).slice() };
}
