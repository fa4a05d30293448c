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
  if (!existsSync(WASM_OPT)) {
    console.log(`${name}: left as the compiler made it; "npm ci" in tests/packages brings wasm-opt`);
    return withoutNames(readFileSync(built));
  }
  const out = path.join(tmpdir(), `${name}-${process.pid}.wasm`);
  const features = FEATURES.map((feature) => `--enable-${feature}`);
  // Functions that differ by their constants alone become one; what they are called through is made smaller after that.
  const passes = ['-Oz', '--strip-debug', '--strip-producers', '--merge-similar-functions', '-Oz'];
  execFileSync(process.execPath, [WASM_OPT, ...passes, ...features, built, '-o', out]);
  const module = readFileSync(out);
  rmSync(out);
  return withoutNames(module);
}

/** Where cargo keeps the sources of packages. */
function registries() {
  const source = path.join(CARGO, 'registry/src');
  return existsSync(source) ? readdirSync(source).map((name) => path.join(source, name)) : [];
}

/** The module without its custom sections, which say nothing to an engine. */
function withoutNames(module) {
  const kept = [module.subarray(0, 8)];
  for (let at = 8; at < module.length; ) {
    const [size, body] = leb128(module, at + 1);
    if (module[at] !== 0) kept.push(module.subarray(at, body + size));
    at = body + size;
  }
  return Buffer.concat(kept);
}

/** An unsigned number as WebAssembly writes them, and where what follows it begins. */
function leb128(bytes, from) {
  let value = 0;
  for (let at = from, weight = 1; ; at++, weight *= 128) {
    value += (bytes[at] & 127) * weight;
    if (bytes[at] < 128) return [value, at + 1];
  }
}

/** An unchanged file keeps its time, so that builds which look at it stay valid. */
function write(name, content) {
  const file = path.join(HERE, name);
  if (!existsSync(file) || !readFileSync(file).equals(Buffer.from(content))) writeFileSync(file, content);
}
