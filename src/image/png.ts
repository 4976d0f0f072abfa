// PNG files (ISO 15948): all colour types, depths and both interlace methods, to 8-bit RGB as Pillow converts it: alpha is dropped, not blended.
//
// Own code, because pngjs (under jimp) blackens pixels of the transparent colour and rounds 16 bits where Pillow cuts them off; with
// DecompressionStream it is also small, and needs nothing of Node.
// One difference to Pillow 10 on purpose: 16-bit gray is cut to its high byte like all other 16-bit samples (Pillow clamps it at 255: a white picture).

import { FormatError, UnsupportedError } from '../errors.ts';
import type { RgbImage } from './image.ts';

interface Header {
  readonly width: number;
  readonly height: number;
  readonly depth: number;
  readonly color: number;
  readonly interlaced: boolean;
}

/** Samples of a pixel, and the depths that are allowed, by colour type: gray, RGB, palette, gray with alpha, RGB with alpha. */
const COLOR_TYPES: Readonly<Record<number, { readonly samples: number; readonly depths: readonly number[] }>> = {
  0: { samples: 1, depths: [1, 2, 4, 8, 16] },
  2: { samples: 3, depths: [8, 16] },
  3: { samples: 1, depths: [1, 2, 4, 8] },
  4: { samples: 2, depths: [8, 16] },
  6: { samples: 4, depths: [8, 16] },
};

/** First row and column, and the steps, of the passes of an interlaced picture. */
const ADAM7: readonly (readonly [y: number, x: number, stepY: number, stepX: number])[] = [
  [0, 0, 8, 8],
  [0, 4, 8, 8],
  [4, 0, 8, 4],
  [0, 2, 4, 4],
  [2, 0, 4, 2],
  [0, 1, 2, 2],
  [1, 0, 2, 1],
];

/** Decodes a PNG file. Throws FormatError without the file's name. */
export async function decodePng(bytes: Uint8Array): Promise<RgbImage> {
  const { header, palette, data } = readChunks(bytes);
  const { width, height, interlaced } = header;
  const passes = (interlaced ? ADAM7 : [[0, 0, 1, 1] as const])
    .map(([y, x, stepY, stepX]) => ({ y, x, stepY, stepX, cols: Math.ceil((width - x) / stepX), rows: Math.ceil((height - y) / stepY) }))
    .filter((p) => p.cols > 0 && p.rows > 0);
  const pixelBits = header.depth * COLOR_TYPES[header.color]!.samples;
  const rowBytes = (cols: number) => Math.ceil((cols * pixelBits) / 8);
  const raw = await inflate(
    data,
    passes.reduce((n, p) => n + p.rows * (1 + rowBytes(p.cols)), 0),
  );
  const out = new Uint8Array(3 * width * height);
  let at = 0;
  for (const { y, x, stepY, stepX, cols, rows } of passes) {
    const length = rowBytes(cols);
    let above: Uint8Array = new Uint8Array(length);
    for (let r = 0; r < rows; r++) {
      const row = raw.subarray(at + 1, at + 1 + length);
      unfilter(raw[at]!, row, above, Math.max(1, pixelBits >> 3));
      convert(header, palette, row, cols, out, 3 * ((y + r * stepY) * width + x), 3 * stepX);
      above = row;
      at += 1 + length;
    }
  }
  return { width, height, data: out };
}

function readChunks(bytes: Uint8Array): { header: Header; palette: Uint8Array; data: Uint8Array[] } {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let header: Header | undefined;
  // Entries that the file does not define are black.
  const palette = new Uint8Array(768);
  const data: Uint8Array[] = [];
  for (let at = 8; ; ) {
    if (at + 12 > bytes.length) throw new FormatError('truncated', `the file ends at byte ${bytes.length}, in the middle of its chunks`);
    const length = view.getUint32(at);
    const type = String.fromCharCode(...bytes.subarray(at + 4, at + 8));
    if (at + 12 + length > bytes.length) throw new FormatError('truncated', `chunk ${type} at byte ${at} is cut off`);
    const body = bytes.subarray(at + 8, at + 8 + length);
    const critical = (bytes[at + 4]! & 32) === 0;
    if (critical && crc(bytes.subarray(at + 4, at + 8 + length)) !== view.getUint32(at + 8 + length)) {
      throw new FormatError('structure', `chunk ${type} at byte ${at} has a wrong checksum`);
    }
    at += 12 + length;
    if (type === 'IHDR') header = readHeader(body);
    else if (type === 'PLTE') palette.set(body.subarray(0, 768));
    else if (type === 'IDAT') data.push(body);
    else if (type === 'IEND') break;
  }
  if (!header) throw new FormatError('structure', 'the file has no header chunk');
  return { header, palette, data };
}

function readHeader(body: Uint8Array): Header {
  if (body.length < 13) throw new FormatError('structure', 'the header chunk is too short');
  const view = new DataView(body.buffer, body.byteOffset);
  const [width, height, depth, color] = [view.getUint32(0), view.getUint32(4), body[8]!, body[9]!];
  if (width === 0 || height === 0) throw new FormatError('structure', `the header says ${width} x ${height}`);
  if (!COLOR_TYPES[color]?.depths.includes(depth) || body[10] !== 0 || body[11] !== 0 || body[12]! > 1) {
    throw new FormatError(
      'structure',
      `the header has an unknown form: depth ${depth}, colour type ${color}, methods ${body.subarray(10, 13).join(', ')}`,
    );
  }
  return { width, height, depth, color, interlaced: body[12] === 1 };
}

/** Decompresses to exactly `size` bytes; what follows is not read. */
async function inflate(chunks: readonly Uint8Array[], size: number): Promise<Uint8Array> {
  if (typeof DecompressionStream === 'undefined') {
    throw new UnsupportedError('needs DecompressionStream, which this runtime does not have: take a newer one, or give a decoder');
  }
  const out = new Uint8Array(size);
  let filled = 0;
  try {
    const stream = new Blob(chunks as Uint8Array<ArrayBuffer>[]).stream().pipeThrough(new DecompressionStream('deflate'));
    const reader = stream.getReader();
    while (filled < size) {
      const { done, value } = await reader.read();
      if (done) break;
      out.set(value.subarray(0, size - filled), filled);
      filled += Math.min(value.length, size - filled);
    }
    reader.cancel().catch(() => {});
  } catch (e) {
    throw new FormatError('structure', 'the compressed data are damaged', { cause: e });
  }
  if (filled < size) throw new FormatError('truncated', `the compressed data hold ${filled} bytes of ${size}`);
  return out;
}

/** Undoes the prediction of a row in place. `step`: bytes of a pixel. */
function unfilter(type: number, row: Uint8Array, above: Uint8Array, step: number): void {
  const n = row.length;
  switch (type) {
    case 0:
      return;
    case 1:
      for (let i = step; i < n; i++) row[i] = row[i]! + row[i - step]!;
      return;
    case 2:
      for (let i = 0; i < n; i++) row[i] = row[i]! + above[i]!;
      return;
    case 3:
      for (let i = 0; i < step; i++) row[i] = row[i]! + (above[i]! >> 1);
      for (let i = step; i < n; i++) row[i] = row[i]! + ((row[i - step]! + above[i]!) >> 1);
      return;
    case 4:
      for (let i = 0; i < step; i++) row[i] = row[i]! + above[i]!;
      for (let i = step; i < n; i++) row[i] = row[i]! + paeth(row[i - step]!, above[i]!, above[i - step]!);
      return;
    default:
      throw new FormatError('structure', `a row has filter ${type}`);
  }
}

function paeth(a: number, b: number, c: number): number {
  const toA = Math.abs(b - c);
  const toB = Math.abs(a - c);
  const toC = Math.abs(a + b - c - c);
  if (toA <= toB && toA <= toC) return a;
  return toB <= toC ? b : c;
}

/** Samples of a row to RGB, written every `step` bytes from `to` on. */
function convert(
  { depth, color }: Header,
  palette: Uint8Array,
  row: Uint8Array,
  cols: number,
  out: Uint8Array,
  to: number,
  step: number,
): void {
  const bytes = depth === 16 ? 2 : 1;
  const pixel = COLOR_TYPES[color]!.samples * bytes;
  const rgb = color === 2 || color === 6 ? bytes : 0;
  const mask = (1 << depth) - 1;
  const scale = color === 3 ? 1 : 255 / mask;
  for (let x = 0, o = to; x < cols; x++, o += step) {
    if (rgb) {
      const p = x * pixel;
      out[o] = row[p]!;
      out[o + 1] = row[p + rgb]!;
      out[o + 2] = row[p + 2 * rgb]!;
      continue;
    }
    const bit = x * depth;
    const value = depth < 8 ? ((row[bit >> 3]! >> (8 - depth - (bit & 7))) & mask) * scale : row[x * pixel]!;
    const p = color === 3 ? 3 * value : -1;
    out[o] = p < 0 ? value : palette[p]!;
    out[o + 1] = p < 0 ? value : palette[p + 1]!;
    out[o + 2] = p < 0 ? value : palette[p + 2]!;
  }
}

let crcTable: Uint32Array | undefined;

/** CRC-32 of a chunk. */
function crc(bytes: Uint8Array): number {
  crcTable ??= Uint32Array.from({ length: 256 }, (_, n) => {
    let c = n;
    for (let k = 0; k < 8; k++) c = c & 1 ? 0xedb88320 ^ (c >>> 1) : c >>> 1;
    return c;
  });
  let c = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) c = crcTable[(c ^ bytes[i]!) & 255]! ^ (c >>> 8);
  return (c ^ 0xffffffff) >>> 0;
}
