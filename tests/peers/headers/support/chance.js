// The same numbers on every run: a case that fails can be looked at again.

export function chance(seed) {
  let state = seed >>> 0;
  const next = () => {
    // mulberry32
    state = (state + 0x6d2b79f5) >>> 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  const below = (n) => Math.floor(next() * n);
  const one = (list) => list[below(list.length)];
  const some = (list, most) => Array.from({ length: below(most + 1) }, () => one(list));
  return { next, below, one, some, maybe: (share) => next() < share };
}
