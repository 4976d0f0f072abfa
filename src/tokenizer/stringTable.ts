// A hash table from strings to their positions in a list. It looks up parts of a text without cutting them out, and builds several times faster than a
// Map of a hundred thousand strings.

/** Positions of strings. */
export interface StringTable {
  /** Length of the longest string. */
  readonly longest: number;
  /** Position of text[start, end), -1 where it is not in the list. */
  find(text: string, start?: number, end?: number): number;
  /** Position of the string `text[start, mid) SPACE text[mid, end)`. */
  findPair(text: string, start: number, mid: number, end: number): number;
}

const PRIME = 16777619;
const SPACE = 32;

function hashPart(hash: number, text: string, start: number, end: number): number {
  let h = hash;
  for (let i = start; i < end; i++) h = Math.imul(h ^ text.charCodeAt(i), PRIME);
  return h;
}

function spread(hash: number): number {
  const h = Math.imul(hash ^ (hash >>> 15), 0x735a2d97);
  return h ^ (h >>> 15);
}

function samePart(a: string, at: number, text: string, start: number, end: number): boolean {
  for (let i = start; i < end; i++) if (a.charCodeAt(at + i - start) !== text.charCodeAt(i)) return false;
  return true;
}

/** Builds the table of the strings that `include` admits; empty ones are left out. Of equal strings the first or the last counts. */
export function stringTable(
  strings: readonly string[],
  keep: 'first' | 'last',
  include: (position: number) => boolean = () => true,
): StringTable {
  let bits = 4;
  while (2 ** bits < 2 * strings.length) bits++;
  const mask = 2 ** bits - 1;
  // Random, so that no file can be made whose strings all collide.
  const seed = Math.floor(Math.random() * 2 ** 32) | 0;
  /** Position + 1, and hash, by slot. */
  const slots = new Int32Array(mask + 1);
  const hashes = new Int32Array(mask + 1);
  let longest = 0;

  for (let i = 0; i < strings.length; i++) {
    const text = strings[i]!;
    if (text === '' || !include(i)) continue;
    if (text.length > longest) longest = text.length;
    const hash = spread(hashPart(seed, text, 0, text.length));
    let slot = hash & mask;
    while (slots[slot] !== 0 && (hashes[slot] !== hash || strings[slots[slot]! - 1] !== text)) slot = (slot + 1) & mask;
    if (slots[slot] !== 0 && keep === 'first') continue;
    slots[slot] = i + 1;
    hashes[slot] = hash;
  }

  return {
    longest,
    find(text, start = 0, end = text.length) {
      const hash = spread(hashPart(seed, text, start, end));
      for (let slot = hash & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
        if (hashes[slot] !== hash) continue;
        const at = slots[slot]! - 1;
        const found = strings[at]!;
        if (found.length === end - start && samePart(found, 0, text, start, end)) return at;
      }
      return -1;
    },
    findPair(text, start, mid, end) {
      const left = Math.imul(hashPart(seed, text, start, mid) ^ SPACE, PRIME);
      const hash = spread(hashPart(left, text, mid, end));
      for (let slot = hash & mask; slots[slot] !== 0; slot = (slot + 1) & mask) {
        if (hashes[slot] !== hash) continue;
        const at = slots[slot]! - 1;
        const found = strings[at]!;
        if (found.length !== end - start + 1 || found.charCodeAt(mid - start) !== SPACE) continue;
        if (samePart(found, 0, text, start, mid) && samePart(found, mid - start + 1, text, mid, end)) return at;
      }
      return -1;
    },
  };
}
