// The WebAssembly modules where they may be made of bytes: in Node.js. Elsewhere module.edge.js stands for this file.

import base64 from './wasm.js';

/** This package's version: messages to a native build of another one would be misread. */
export const VERSION = '0.1.0';
const NATIVE = '@palisade-gate/next-native';

let deciding;
let reading;
const deciders = {};

/** The module that decides. */
export const decides = () => (deciding ??= new WebAssembly.Module(moduleBytes()));

/** The module that reads policy files. */
export const reads = () => (reading ??= new WebAssembly.Module(readerBytes()));

/** By Node.js's own decoder: one over characters takes a tenth of a second, which is each cold start's. */
export function moduleBytes() {
  return Buffer.from(base64, 'base64');
}

/** From beside this file; where a bundler has moved it, from the app's packages. */
function readerBytes() {
  const reader = required([() => [import.meta.url, './compiler.cjs'], () => [app(), '@palisade-gate/next/compiler']]);
  if (reader.found) return reader.found();
  const what = 'palisade: the policy is no compiled one (withPalisade in next.config), and its reader is not here';
  throw new AggregateError(reader.causes, what);
}

/**
 * The native build, or `null`. `PALISADE_NATIVE` is its path, which must then hold one, or `off`; otherwise it is the
 * package of that name, if it is installed and of this very version.
 */
export function native() {
  const named = process.env.PALISADE_NATIVE || undefined;
  if (deciders.named !== named || deciders.build === undefined) Object.assign(deciders, { named, build: nativeBuild(named) });
  return deciders.build;
}

function nativeBuild(named) {
  if (named === 'off') return null;
  const places = [() => [app(), named ?? NATIVE], () => [import.meta.url, named ?? NATIVE]];
  const { found, causes } = required(named ? places.slice(0, 1) : places);
  const version = found?.version?.();
  if (version === VERSION) return found;
  const what = found ? `it is of version ${version}, and this package of ${VERSION}` : causes[0].message;
  if (named) throw new Error(`palisade: PALISADE_NATIVE names no native build that can be used: ${what}`);
  // Not installed, which is the rule, or not for this machine.
  if (found || causes.some(({ code }) => code !== 'MODULE_NOT_FOUND')) console.warn(`palisade: the native build is left aside: ${what}`);
  return null;
}

/** What the first of these places knows under its name; why the others do not. */
function required(places) {
  const causes = [];
  for (const place of places) {
    try {
      const [from, name] = place();
      return { found: process.getBuiltinModule('node:module').createRequire(from)(name), causes };
    } catch (error) {
      causes.push(error);
    }
  }
  return { causes };
}

/** The app's folder, as who asks for a module. */
function app() {
  return `${process.cwd()}/palisade.js`;
}
