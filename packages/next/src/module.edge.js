// The WebAssembly module where none may be made of bytes: the bundler hands it over, made already.

import module from './palisade.wasm?module';

/** The module that decides. */
export const decides = () => module;

/** No native code runs here. */
export const native = () => null;

/** Nothing is read here: the policy must come compiled. */
export function reads() {
  throw new Error('palisade: the edge runtime needs a compiled policy (withPalisade in next.config)');
}
