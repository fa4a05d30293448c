interface Entry {
  name: string;
  text: string;
}

declare global {
  var shopGuestbook: { entries: Entry[] } | undefined;
}

// Kept on globalThis because Next may load this module once per bundle, and page and
// action must see the same list. Memory only: this is an example.
const book = (globalThis.shopGuestbook ??= { entries: [] });

const KEPT = 20;

export function entries(): Entry[] {
  return book.entries;
}

export function add(name: string, text: string): void {
  book.entries = [{ name, text }, ...book.entries].slice(0, KEPT);
}
