// The WebAssembly modules where they may be made of bytes: in Node.js. Elsewhere module.edge.js stands for this file.

import base64 from './wasm.js';

let deciding;
let reading;

/** The module that decides. */
export const decides = () => (deciding ??= new WebAssembly.Module(moduleBytes()));

/** The module that reads policy files. */
export const reads = () => (reading ??= new WebAssembly.Module(readerBytes()));

export function moduleBytes() {
  return Uint8Array.from(atob(base64), (character) => character.charCodeAt(0));
}

/** From beside this file; where a bundler has moved it, from the app's packages. */
function readerBytes() {
  const causes = [];
  for (const from of [() => [import.meta.url, './compiler.cjs'], () => [`${process.cwd()}/palisade.js`, '@palisade-gate/next/compiler']]) {
    try {
      const [place, name] = from();
      return process.getBuiltinModule('node:module').createRequire(place)(name)();
    } catch (error) {
      causes.push(error);
    }
  }
  const what = 'palisade: the policy is no compiled one (withPalisade in next.config), and its reader is not here';
  throw new AggregateError(causes, what);
}
