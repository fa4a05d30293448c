// Builds the WebAssembly modules: the one that decides into src/wasm.js, where a bundler needs no setting to find it, and
// into src/palisade.wasm for runtimes that take no bytes; the one that reads policy files into src/compiler.wasm, which no
// bundle takes.

import { execFileSync } from 'node:child_process';
import { existsSync, readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs';
import { homedir, tmpdir } from 'node:os';
import path from 'node:path';

const HERE = import.meta.dirname;
const ROOT = path.resolve(HERE, '../..');
const CARGO = process.env.CARGO_HOME ?? path.join(homedir(), '.cargo');
const TARGET = 'wasm32-unknown-unknown';
const WASM_OPT = path.join(ROOT, 'tests/packages/node_modules/binaryen/bin/wasm-opt');
// What rustc's own target switches on, no more: Node.js 20 must load it.
const FEATURES = ['bulk-memory', 'sign-ext', 'nontrapping-float-to-int', 'mutable-globals', 'reference-types', 'multivalue'];
// Functions of the standard library that do nothing but panic, and the sources that panics name.
const PANICS = /^_(?:R.*(?:4core|5alloc|3std)|ZN4core9panicking).*\d(?:panic|panic_(?!handler)\w+|assert_failed|assert_failed_inner|unwrap_failed|expect_failed|\w+_fail|slice_error_fail_rt|len_mismatch_fail|capacity_overflow|handle_error|handle_alloc_error)(?:$|[A-Z]|17h|[a-z]{0,2}E)/;
const SOURCES = /(?:crates|packages|cargo|palisade|library|\/rustc)\/[\w./+-]+?\.rs/g;
// Paths of this machine would make the same source another module, and are long; SHA-2 unrolled is many times its size.
const RUSTFLAGS = [
  '--cfg=sha2_backend_soft="compact"',
  `--remap-path-prefix=${ROOT}=palisade`,
  `--remap-path-prefix=${CARGO}=cargo`,
  ...registries().map((folder) => `--remap-path-prefix=${folder}=cargo`),
];

const cargo = (args) =>
  execFileSync('cargo', args, {
    cwd: HERE,
    encoding: 'utf8',
    env: { ...process.env, CARGO_ENCODED_RUSTFLAGS: RUSTFLAGS.join('\x1f') },
    stdio: ['ignore', 'pipe', 'inherit'],
  });

cargo(['build', '--locked', '--quiet', '-p', 'palisade-next-wasm', '-p', 'palisade-next-compiler', '--profile', 'wasm', '--target', TARGET]);
const { target_directory: folder } = JSON.parse(cargo(['metadata', '--locked', '--no-deps', '--format-version', '1']));
const decides = smaller('palisade_next_wasm');
const reads = smaller('palisade_next_compiler');
write('src/wasm.js', `// Made by build.js.\nexport default '${decides.toString('base64')}';\n`);
write('src/palisade.wasm', decides);
write('src/compiler.wasm', reads);
console.log(`wasm: ${decides.length} bytes; compiler, in no bundle: ${reads.length} bytes`);

/** The module after wasm-opt, where that is installed; without names in any case. */
function smaller(name) {
  const built = path.join(folder, TARGET, 'wasm', `${name}.wasm`);
  const quiet = silent(readFileSync(built));
  if (!existsSync(WASM_OPT)) {
    console.log(`${name}: not made smaller; "npm ci" in tests/packages brings wasm-opt`);
    return withoutNames(quiet);
  }
  const [before, after] = ['in', 'out'].map((end) => path.join(tmpdir(), `${name}-${process.pid}-${end}.wasm`));
  writeFileSync(before, quiet);
  const features = FEATURES.map((feature) => `--enable-${feature}`);
  // Functions that differ by their constants alone become one; what they are called through is made smaller after that.
  // Below the stack's end nothing lies, so an address and what is added to it may be put together.
  const strip = ['--strip-debug', '--strip-producers'];
  const similar = ['--merge-similar-functions', '--dae-optimizing', '--gufa-optimizing', '-Oz'];
  // Functions that are called most get the short numbers, and so do locals.
  const last = ['--simplify-globals-optimizing', '--reorder-functions', '--once-reduction', '--rse', '--vacuum', '--merge-locals'];
  const passes = ['--low-memory-unused', '-Oz', ...strip, ...similar, ...last, '--coalesce-locals', '--reorder-locals', '-Oz', '--converge'];
  execFileSync(process.execPath, [WASM_OPT, ...passes, ...features, before, '-o', after]);
  const module = readFileSync(after);
  [before, after].forEach((file) => rmSync(file));
  return withoutNames(module);
}

/**
 * The module whose panics stop it at once, as they do in any case, and without the words that nobody would hear: a module
 * that imports nothing has nowhere to write them. The functions that do nothing but panic become the one instruction that
 * stops it; where in which file it was is zeros, which wasm-opt leaves out.
 */
function silent(module) {
  const names = functionNames(module);
  const stop = Buffer.from([3, 0, 0, 0x0b]);
  const parts = sections(module).map(({ id, whole, body }) => {
    if (id === 10) {
      const all = bodies(body).map((one, at) => (PANICS.test(names.get(at) ?? '') ? stop : one));
      return section(10, [unsigned(all.length), ...all]);
    }
    return id === 11 ? section(11, [withoutPlaces(body)]) : whole;
  });
  return Buffer.concat([module.subarray(0, 8), ...parts]);
}

/** Data without the names of source files, and without the records that point at them (`core::panic::Location`). */
function withoutPlaces(section) {
  const data = Buffer.from(section);
  for (const { address, from, to } of segments(data)) {
    const text = data.toString('latin1', from, to);
    const files = new Map([...text.matchAll(SOURCES)].map(({ 0: file, index }) => [address + index, file.length]));
    for (let at = from + ((4 - (address % 4)) % 4); at + 16 <= to; at += 4) {
      const length = files.get(data.readUInt32LE(at));
      // The length may count the zero at the end.
      if (length === undefined || data.readUInt32LE(at + 4) - length > 1 || data.readUInt32LE(at + 4) < length) continue;
      data.fill(0, at, at + 16);
    }
    for (const [file, length] of files) data.fill(0, from + file - address, from + file - address + length);
  }
  return data;
}

/** Where cargo keeps the sources of packages. */
function registries() {
  const source = path.join(CARGO, 'registry/src');
  return existsSync(source) ? readdirSync(source).map((name) => path.join(source, name)) : [];
}

/** The module without its custom sections, which say nothing to an engine. */
function withoutNames(module) {
  const kept = sections(module).filter(({ id }) => id !== 0);
  return Buffer.concat([module.subarray(0, 8), ...kept.map(({ whole }) => whole)]);
}

/** The sections of a module: number, all bytes, and those behind the length. */
function sections(module) {
  const found = [];
  for (let at = 8; at < module.length; ) {
    const [size, from] = leb128(module, at + 1);
    found.push({ id: module[at], whole: module.subarray(at, from + size), body: module.subarray(from, from + size) });
    at = from + size;
  }
  return found;
}

function section(id, parts) {
  const body = Buffer.concat(parts);
  return Buffer.concat([Buffer.from([id]), unsigned(body.length), body]);
}

/** The functions of the section of code, each with its length before it. */
function bodies(code) {
  const [count, first] = leb128(code, 0);
  const found = [];
  for (let at = first; found.length < count; ) {
    const [size, from] = leb128(code, at);
    found.push(code.subarray(at, from + size));
    at = from + size;
  }
  return found;
}

/** The segments of the section of data: the address in memory, and where their bytes are. */
function segments(data) {
  let [count, at] = leb128(data, 0);
  const found = [];
  for (; count > 0; count--) {
    // An active one of the first memory, at `i32.const`; addresses are positive.
    if (data[at] !== 0 || data[at + 1] !== 0x41) throw new Error('a segment of data that is not known');
    const [address, end] = leb128(data, at + 2);
    const [size, from] = leb128(data, end + 1);
    found.push({ address, from, to: from + size });
    at = from + size;
  }
  return found;
}

/** The names of functions by number, as the compiler writes them. The module imports none. */
function functionNames(module) {
  const names = new Map();
  for (const { body } of sections(module).filter(({ id }) => id === 0)) {
    const [length, from] = leb128(body, 0);
    if (body.toString('latin1', from, from + length) !== 'name') continue;
    for (let at = from + length; at < body.length; ) {
      const [size, start] = leb128(body, at + 1);
      if (body[at] === 1) readNames(body.subarray(start, start + size), names);
      at = start + size;
    }
  }
  return names;
}

function readNames(list, names) {
  let [count, at] = leb128(list, 0);
  for (; count > 0; count--) {
    const [number, next] = leb128(list, at);
    const [length, from] = leb128(list, next);
    names.set(number, list.toString('latin1', from, from + length));
    at = from + length;
  }
}

/** An unsigned number as WebAssembly writes them, and where what follows it begins. */
function leb128(bytes, from) {
  let value = 0;
  for (let at = from, weight = 1; ; at++, weight *= 128) {
    value += (bytes[at] & 127) * weight;
    if (bytes[at] < 128) return [value, at + 1];
  }
}

function unsigned(value) {
  const bytes = [];
  for (let left = value; ; left = Math.floor(left / 128)) {
    if (left < 128) return Buffer.from([...bytes, left]);
    bytes.push((left % 128) | 128);
  }
}

/** An unchanged file keeps its time, so that builds which look at it stay valid. */
function write(name, content) {
  const file = path.join(HERE, name);
  if (!existsSync(file) || !readFileSync(file).equals(Buffer.from(content))) writeFileSync(file, content);
}
