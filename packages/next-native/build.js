// Builds palisade.node for this machine; with --dev as the tests take it, which is built in a quarter of the time.

import { execFileSync } from 'node:child_process';
import { copyFileSync, rmSync, statSync } from 'node:fs';
import path from 'node:path';

const HERE = import.meta.dirname;
const LIBRARIES = { darwin: 'libpalisade_next_native.dylib', win32: 'palisade_next_native.dll' };
const profile = process.argv.includes('--dev') ? 'dev' : 'release';

const cargo = (args, folder, stdout) => execFileSync('cargo', args, { cwd: folder, encoding: 'utf8', stdio: ['ignore', stdout, 'inherit'] });

// Beside what the gate's own workspace has built.
const workspace = path.resolve(HERE, '../..');
const { target_directory: target } = JSON.parse(cargo(['metadata', '--locked', '--no-deps', '--format-version', '1'], workspace, 'pipe'));
cargo(['build', '--locked', '--quiet', '--profile', profile, '--target-dir', target], HERE, 'inherit');
const built = path.join(target, profile === 'dev' ? 'debug' : profile, LIBRARIES[process.platform] ?? 'libpalisade_next_native.so');
const module = path.join(HERE, 'palisade.node');
// A new file: a process that has the old one open must not see it change.
rmSync(module, { force: true });
copyFileSync(built, module);
console.log(`palisade.node: ${statSync(module).size} bytes (${profile})`);
