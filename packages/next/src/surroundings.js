// What a gate finds around it: the policy's text, variables, where it runs.

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
    manifest: readText(MANIFEST),
    variables,
    platform,
    // Vercel writes this header itself, whatever a client sends.
    address: platform === 'vercel' ? (request) => request.headers.get('x-real-ip') : undefined,
    event: print,
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

/** One event a line, as the watcher reads them. */
export function print(text) {
  if (process.stdout?.write) process.stdout.write(text);
  else console.log(text.trimEnd());
}
