// JPEG (ITU T.81): the entropy-coded data of one scan, baseline or progressive, into coefficients.

import { FormatError } from '../errors.ts';

/** One colour component of a frame. */
export interface Component {
  readonly id: number;
  /** Sampling factors. */
  readonly h: number;
  readonly v: number;
  readonly quantTable: number;
  /** Size in samples: ceil(image size * h / largest h). */
  readonly width: number;
  readonly height: number;
  /** Blocks in memory: whole MCUs. */
  readonly blockCols: number;
  readonly blockRows: number;
  /** Quantized coefficients in natural order, 64 for each block. */
  readonly coefficients: Int16Array;
}

export interface Scan {
  readonly components: readonly { readonly component: Component; readonly dc: Huffman | undefined; readonly ac: Huffman | undefined }[];
  /** Band of coefficients in zigzag order, and the bits that earlier scans left and this one leaves: 0, 63, 0, 0 where not progressive. */
  readonly start: number;
  readonly end: number;
  readonly high: number;
  readonly low: number;
  readonly progressive: boolean;
  readonly mcuCols: number;
  readonly mcuRows: number;
  /** MCUs between restart markers, 0: none. */
  readonly restart: number;
}

// biome-ignore format: a matrix
export const ZIGZAG: readonly number[] = [
  0, 1, 8, 16, 9, 2, 3, 10, 17, 24, 32, 25, 18, 11, 4, 5, 12, 19, 26, 33, 40, 48, 41, 34, 27, 20, 13, 6, 7, 14, 21, 28,
  35, 42, 49, 56, 57, 50, 43, 36, 29, 22, 15, 23, 30, 37, 44, 51, 58, 59, 52, 45, 38, 31, 39, 46, 53, 60, 61, 54, 47, 55, 62, 63,
];

const FAST_BITS = 9;

/** Decoding tables of one Huffman code. */
export interface Huffman {
  /** By the next 9 bits: length << 8 | symbol; 0 where the code is longer. */
  readonly fast: Uint16Array;
  /** By length: the largest code of it (-1: none), and what to add to a code to find its symbol. */
  readonly largest: Int32Array;
  readonly offset: Int32Array;
  readonly symbols: Uint8Array;
}

/** `counts`: codes of each length 1..16. */
export function huffman(counts: Uint8Array, symbols: Uint8Array): Huffman {
  const fast = new Uint16Array(1 << FAST_BITS);
  const largest = new Int32Array(17).fill(-1);
  const offset = new Int32Array(17);
  let code = 0;
  let at = 0;
  for (let length = 1; length <= 16; length++) {
    const n = counts[length - 1]!;
    offset[length] = at - code;
    for (let i = 0; i < n; i++, code++, at++) {
      if (length > FAST_BITS) continue;
      const shift = FAST_BITS - length;
      fast.fill((length << 8) | symbols[at]!, code << shift, (code + 1) << shift);
    }
    if (n > 0) largest[length] = code - 1;
    if (code > 1 << length) throw new FormatError('structure', 'more Huffman codes than bits allow');
    code <<= 1;
  }
  return { fast, largest, offset, symbols };
}

/** Bits of entropy-coded data. At a marker or the end of the file it goes on with zeros, and knows how many of them were taken. */
class Bits {
  readonly data: Uint8Array;
  at: number;
  #buffer = 0;
  #count = 0;
  #invented = 0;

  constructor(data: Uint8Array, at: number) {
    this.data = data;
    this.at = at;
  }

  #fill(): void {
    while (this.#count <= 24) {
      let byte = this.at < this.data.length ? this.data[this.at]! : -1;
      if (byte === 0xff && this.data[this.at + 1] !== 0) byte = -1;
      if (byte < 0) {
        byte = 0;
        this.#invented += 8;
      } else {
        this.at += byte === 0xff ? 2 : 1;
      }
      this.#buffer = (this.#buffer << 8) | byte;
      this.#count += 8;
    }
  }

  symbol(table: Huffman): number {
    if (this.#count < 16) this.#fill();
    const entry = table.fast[(this.#buffer >> (this.#count - FAST_BITS)) & ((1 << FAST_BITS) - 1)]!;
    if (entry) {
      this.#count -= entry >> 8;
      return entry & 255;
    }
    for (let length = FAST_BITS + 1; length <= 16; length++) {
      const code = (this.#buffer >> (this.#count - length)) & ((1 << length) - 1);
      if (code > table.largest[length]!) continue;
      this.#count -= length;
      return table.symbols[code + table.offset[length]!]!;
    }
    throw new FormatError('structure', 'no such Huffman code');
  }

  /** `n` bits, 0..16, unsigned. */
  take(n: number): number {
    if (this.#count < n) this.#fill();
    this.#count -= n;
    return (this.#buffer >> this.#count) & ((1 << n) - 1);
  }

  /** A coefficient of `n` bits: the upper half of the numbers is positive. */
  signed(n: number): number {
    if (n === 0) return 0;
    const value = this.take(n);
    return value < 1 << (n - 1) ? value - (1 << n) + 1 : value;
  }

  /** Throws when data was read that is not there. */
  check(): void {
    if (this.#invented > this.#count) throw new FormatError('truncated', `the data of a scan end early, at byte ${this.at}`);
  }

  /** Goes behind the restart marker. */
  restart(): void {
    this.check();
    this.#count = this.#invented = 0;
    while (this.data[this.at] === 0xff && this.data[this.at + 1] === 0xff) this.at++;
    const marker = this.data[this.at + 1] ?? 0;
    if (this.data[this.at] !== 0xff || marker < 0xd0 || marker > 0xd7)
      throw new FormatError('structure', `no restart marker at byte ${this.at}`);
    this.at += 2;
  }
}

/** Decodes one scan from byte `at` on. Returns the place where its data end. */
export function decodeScan(data: Uint8Array, at: number, scan: Scan): number {
  const bits = new Bits(data, at);
  const predictors = new Int32Array(scan.components.length);
  const decode = blockDecoder(bits, scan, predictors);
  const single = scan.components.length === 1 ? scan.components[0]!.component : undefined;
  // The blocks of a lone component are not grouped into MCUs, and those beyond the picture are left out.
  const cols = single ? Math.ceil(single.width / 8) : scan.mcuCols;
  const rows = single ? Math.ceil(single.height / 8) : scan.mcuRows;
  for (let mcu = 0; mcu < cols * rows; mcu++) {
    if (scan.restart > 0 && mcu > 0 && mcu % scan.restart === 0) {
      bits.restart();
      predictors.fill(0);
      decode.reset();
    }
    const x = mcu % cols;
    const y = (mcu - x) / cols;
    if (single) {
      decode.block(0, 64 * (y * single.blockCols + x));
    } else {
      for (let i = 0; i < scan.components.length; i++) {
        const { h, v, blockCols } = scan.components[i]!.component;
        for (let b = 0; b < h * v; b++) decode.block(i, 64 * ((y * v + Math.floor(b / h)) * blockCols + x * h + (b % h)));
      }
    }
    bits.check();
  }
  return bits.at;
}

interface BlockDecoder {
  /** Decodes the block of a component whose coefficients begin at `at`. */
  block(component: number, at: number): void;
  reset(): void;
}

function blockDecoder(bits: Bits, scan: Scan, predictors: Int32Array): BlockDecoder {
  const { start, end, high, low, components } = scan;
  /** Blocks that the band has no more coefficients for. */
  let run = 0;
  const reset = () => {
    run = 0;
  };
  const dcTables = components.map((c) => c.dc);
  const acTables = components.map((c) => c.ac);
  const arrays = components.map((c) => c.component.coefficients);
  const need = (table: Huffman | undefined): Huffman => {
    if (!table) throw new FormatError('structure', 'a scan uses a Huffman table that was not defined');
    return table;
  };
  const dc = (i: number, at: number) => {
    predictors[i] = predictors[i]! + bits.signed(bits.symbol(need(dcTables[i])) & 15);
    arrays[i]![at] = predictors[i]! << low;
  };
  /** Coefficients from `k` to `end`, all new. */
  const ac = (i: number, at: number, from: number) => {
    const table = need(acTables[i]);
    const out = arrays[i]!;
    for (let k = from; k <= end; ) {
      const symbol = bits.symbol(table);
      const size = symbol & 15;
      const zeros = symbol >> 4;
      if (size === 0 && zeros < 15) {
        run = (1 << zeros) - 1 + bits.take(zeros);
        return;
      }
      k += zeros;
      if (k > 63) throw new FormatError('structure', 'a block has more than 64 coefficients');
      if (size > 0) out[at + ZIGZAG[k]!] = bits.signed(size) * (1 << low);
      k++;
    }
  };
  if (!scan.progressive) {
    return {
      reset,
      block(i, at) {
        dc(i, at);
        ac(i, at, 1);
        if (run > 0) throw new FormatError('structure', 'a baseline scan has a run of empty blocks');
      },
    };
  }
  if (start === 0) {
    if (high === 0) return { reset, block: dc };
    return {
      reset,
      block(i, at) {
        if (bits.take(1)) arrays[i]![at] = arrays[i]![at]! | (1 << low);
      },
    };
  }
  if (high === 0) {
    return {
      reset,
      block(i, at) {
        if (run > 0) run--;
        else ac(i, at, start);
      },
    };
  }
  return {
    reset,
    block(i, at) {
      run = refine(bits, need(acTables[i]), arrays[i]!, at, scan, run);
    },
  };
}

/** One more bit for the coefficients of a band. Returns the blocks that follow without new coefficients. */
function refine(bits: Bits, table: Huffman, out: Int16Array, at: number, { start, end, low }: Scan, run: number): number {
  const bit = 1 << low;
  const correct = (p: number) => {
    if (bits.take(1) && (out[p]! & bit) === 0) out[p] = out[p]! + (out[p]! > 0 ? bit : -bit);
  };
  let k = start;
  if (run === 0) {
    for (; k <= end; k++) {
      const symbol = bits.symbol(table);
      const size = symbol & 15;
      let zeros = symbol >> 4;
      let value = 0;
      if (size > 0) {
        value = bits.take(1) ? bit : -bit;
      } else if (zeros < 15) {
        run = (1 << zeros) + bits.take(zeros);
        break;
      }
      // Past `zeros` coefficients that are still 0; the others get their bit on the way.
      for (; k <= end; k++) {
        const p = at + ZIGZAG[k]!;
        if (out[p] !== 0) correct(p);
        else if (zeros-- === 0) break;
      }
      if (value !== 0 && k <= end) out[at + ZIGZAG[k]!] = value;
    }
  }
  if (run === 0) return 0;
  for (; k <= end; k++) {
    const p = at + ZIGZAG[k]!;
    if (out[p] !== 0) correct(p);
  }
  return run - 1;
}
