// What letters are compared as, where an account is named: the guard asks, as every engine of JavaScript has the tables
// of Unicode that this takes. What is wanted is written at `Fold` in crates/guard/src/login/fold.rs.

/** Of each letter what it is compared as, in lines. */
export function folded(letters) {
  return [...letters].map(fold).join('\n');
}

function fold(letter) {
  // Each by itself: in a word, JavaScript would make another lower case of the last sigma.
  const each = (text, change) => [...text].map(change).join('');
  const lower = (one) => one.toLowerCase();
  const cased = each(each(each(letter.normalize('NFKD'), lower), (one) => one.toUpperCase()), lower);
  return [...cased.normalize('NFKD')].filter((one) => !combines(one)).join('');
}

/** Whether its canonical combining class is other than 0: then it changes places with one mark (1) or another (240). */
function combines(letter) {
  const moves = (text) => text.normalize('NFD') !== text;
  return moves(`${letter}\u0334`) || moves(`\u0345${letter}`);
}
