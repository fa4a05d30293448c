// What a gate finds around it: the policy, variables, where it runs, who reads its events.

import { intake } from './intake.js';

const FILE = 'palisade.toml';
const MANIFEST = '.next/server/server-reference-manifest.json';

/** The usual surroundings of a Next.js server. */
export function surroundings() {
  const variables = { ...process.env };
  const platform = variables.VERCEL === '1' ? 'vercel' : 'server';
  return {
    name: FILE,
    // Bundlers put it here where `withPalisade` told them; elsewhere the file is read.
    policy: compiled(process.env.PALISADE_POLICY) ?? readText(FILE) ?? '',
    // Next's list of server actions, where the build has put it.
    manifest: readText(process.env.PALISADE_MANIFEST ?? MANIFEST),
    variables,
    platform,
    // Vercel writes this header itself, whatever a client sends.
    address: platform === 'vercel' ? (request) => request.headers.get('x-real-ip') : undefined,
    event: emit,
  };
}

function compiled(base64) {
  return base64 ? Uint8Array.from(atob(base64), (character) => character.charCodeAt(0)) : undefined;
}

/** A file of the app, or nothing. The module is asked for at run time: bundlers for the edge have none. */
function readText(file) {
  try {
    const { readFileSync } = process.getBuiltinModule('node:fs');
    return readFileSync(file, 'utf8');
  } catch {
    return undefined;
  }
}

let queue;

/** One event a line: to the intake that `PALISADE_INTAKE_URL` names, else to stdout, where a log drain takes it up. */
export function emit(text) {
  queue ??= intakeOf(process.env);
  if (queue) queue.add(text);
  else print(text);
}

/** The intake, or `false`. One that cannot be used stops nothing. */
function intakeOf({ PALISADE_INTAKE_URL: url, PALISADE_INTAKE_TOKEN: token }) {
  if (!url) return false;
  try {
    return intake({ url, token });
  } catch (error) {
    console.warn(`palisade: events go to stdout: ${error.message}`);
    return false;
  }
}

function print(text) {
  if (process.stdout?.write) process.stdout.write(text);
  else console.log(text.trimEnd());
}
