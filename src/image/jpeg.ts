// JPEG files (ITU T.81, JFIF, Adobe): baseline, extended and progressive Huffman coding, 8 bits, 1, 3 or 4 components.
//
// Own code, because the pixels must be libjpeg's: jpeg-js (under jimp) repeats subsampled colour instead of filtering it and differs from
// libjpeg by up to 45 levels (mean 1.2) on 4:2:0 pictures, which is what nearly all photographs are. Orientation tags are not applied.

import { FormatError, UnsupportedError } from '../errors.ts';
import type { RgbImage } from './image.ts';
import { type ColorSpace, samples, toRgb, upsampler } from './jpegPixels.ts';
import { type Component, decodeScan, type Huffman, huffman, ZIGZAG } from './jpegScan.ts';

interface Frame {
  readonly width: number;
  readonly height: number;
  readonly progressive: boolean;
  readonly components: readonly Component[];
  readonly maxH: number;
  readonly maxV: number;
  readonly mcuCols: number;
  readonly mcuRows: number;
}

/** Scans of a file. Hostile files have thousands, which each walk over the whole picture; encoders write about ten. */
const MAX_SCANS = 200;

/** What the segments of a file have said so far. */
interface State {
  readonly quant: (Int32Array | undefined)[];
  readonly dc: (Huffman | undefined)[];
  readonly ac: (Huffman | undefined)[];
  frame: Frame | undefined;
  restart: number;
  jfif: boolean;
  /** Transform of the Adobe segment: 0 none, 1 YCbCr, 2 YCCK. */
  adobe: number | undefined;
  scans: number;
  /** Tables as they stood when a component's first scan came: later segments may redefine them. */
  readonly used: Map<Component, Int32Array>;
}

/** Decodes a JPEG file. Throws FormatError or UnsupportedError without the file's name. */
export function decodeJpeg(bytes: Uint8Array): RgbImage {
  const state: State = {
    quant: [],
    dc: [],
    ac: [],
    frame: undefined,
    restart: 0,
    jfif: false,
    adobe: undefined,
    scans: 0,
    used: new Map(),
  };
  let whole = false;
  for (let at = 2; at < bytes.length; ) {
    // Between segments: anything up to the next marker is skipped, as libjpeg does.
    if (bytes[at] !== 0xff) {
      at++;
      continue;
    }
    const marker = bytes[at + 1];
    whole = marker === 0xd9;
    if (marker === undefined || whole) break;
    if (marker === 0xff) {
      at++;
      continue;
    }
    at += 2;
    if (marker === 0 || marker === 1 || (marker >= 0xd0 && marker <= 0xd8)) continue;
    const length = at + 2 <= bytes.length ? (bytes[at]! << 8) | bytes[at + 1]! : 0;
    if (length < 2 || at + length > bytes.length)
      throw new FormatError('truncated', `segment 0x${marker.toString(16)} at byte ${at} is cut off`);
    const segment = new Segment(bytes.subarray(at + 2, at + length));
    at += length;
    if (marker === 0xda) at = readScan(bytes, at, segment, state);
    else readSegment(marker, segment, state);
  }
  if (!state.frame) throw new FormatError('truncated', 'the file has no frame header');
  if (state.scans === 0) throw new FormatError('truncated', 'the file has no picture data');
  // A baseline picture is complete when its scans are: cameras leave the end marker out. A progressive one may lack its last, finest scans.
  if (state.frame.progressive && !whole) throw new FormatError('truncated', 'a progressive picture has no end marker');
  return picture(state.frame, state);
}

/** The bytes of a segment, read one after the other. */
class Segment {
  readonly bytes: Uint8Array;
  at = 0;
  constructor(bytes: Uint8Array) {
    this.bytes = bytes;
  }
  get left(): number {
    return this.bytes.length - this.at;
  }
  byte(): number {
    const value = this.bytes[this.at++];
    if (value === undefined) throw new FormatError('structure', 'a segment is too short');
    return value;
  }
  word(): number {
    return (this.byte() << 8) | this.byte();
  }
  take(n: number): Uint8Array {
    if (n > this.left) throw new FormatError('structure', 'a segment is too short');
    this.at += n;
    return this.bytes.subarray(this.at - n, this.at);
  }
}

function readSegment(marker: number, s: Segment, state: State): void {
  if (marker === 0xdb) readQuant(s, state);
  else if (marker === 0xc4) readHuffman(s, state);
  else if (marker === 0xdd) state.restart = s.word();
  else if (marker === 0xe0 && s.left >= 5) state.jfif ||= text(s.take(5)) === 'JFIF\0';
  else if (marker === 0xee && s.left >= 12) readAdobe(s, state);
  else if (marker >= 0xc0 && marker <= 0xcf && marker !== 0xc8) {
    if (marker > 0xc2)
      throw new UnsupportedError(`frame type 0x${marker.toString(16)}: baseline and progressive Huffman coding are supported`);
    if (state.frame) throw new FormatError('structure', 'the file has two frames');
    state.frame = readFrame(s, marker === 0xc2);
  }
}

function readAdobe(s: Segment, state: State): void {
  if (text(s.take(5)) !== 'Adobe') return;
  s.take(6);
  state.adobe = s.byte();
}

const text = (bytes: Uint8Array): string => String.fromCharCode(...bytes);

function readQuant(s: Segment, { quant }: State): void {
  while (s.left > 0) {
    const head = s.byte();
    const table = new Int32Array(64);
    for (const place of ZIGZAG) table[place] = head >> 4 ? s.word() : s.byte();
    quant[head & 3] = table;
  }
}

function readHuffman(s: Segment, { dc, ac }: State): void {
  while (s.left > 0) {
    const head = s.byte();
    const counts = s.take(16);
    const symbols = s.take(counts.reduce((a, b) => a + b, 0));
    (head >> 4 ? ac : dc)[head & 3] = huffman(counts, symbols);
  }
}

function readFrame(s: Segment, progressive: boolean): Frame {
  const precision = s.byte();
  if (precision !== 8) throw new UnsupportedError(`${precision} bits per sample: 8 are supported`);
  const height = s.word();
  const width = s.word();
  if (width === 0 || height === 0) throw new FormatError('structure', `the frame is ${width} x ${height}`);
  const count = s.byte();
  if (count !== 1 && count !== 3 && count !== 4) throw new UnsupportedError(`${count} components: 1, 3 and 4 are supported`);
  const heads = Array.from({ length: count }, () => {
    const id = s.byte();
    const factors = s.byte();
    const [h, v] = [factors >> 4, factors & 15];
    if (h < 1 || h > 4 || v < 1 || v > 4) throw new FormatError('structure', `component ${id} has sampling factors ${h} x ${v}`);
    return { id, h, v, quantTable: s.byte() };
  });
  const maxH = Math.max(...heads.map((c) => c.h));
  const maxV = Math.max(...heads.map((c) => c.v));
  const mcuCols = Math.ceil(width / (8 * maxH));
  const mcuRows = Math.ceil(height / (8 * maxV));
  const components = heads.map((c) => ({
    ...c,
    width: Math.ceil((width * c.h) / maxH),
    height: Math.ceil((height * c.v) / maxV),
    blockCols: mcuCols * c.h,
    blockRows: mcuRows * c.v,
    coefficients: new Int16Array(64 * mcuCols * c.h * mcuRows * c.v),
  }));
  return { width, height, progressive, components, maxH, maxV, mcuCols, mcuRows };
}

function readScan(bytes: Uint8Array, at: number, s: Segment, state: State): number {
  const { frame, dc, ac, restart } = state;
  if (!frame) throw new FormatError('structure', 'picture data come before the frame header');
  if (++state.scans > MAX_SCANS) throw new FormatError('limit', `the file has more than ${MAX_SCANS} scans`);
  const count = s.byte();
  if (count < 1 || count > frame.components.length) throw new FormatError('structure', `a scan has ${count} components`);
  const components = Array.from({ length: count }, () => {
    const id = s.byte();
    const tables = s.byte();
    const component = frame.components.find((c) => c.id === id);
    if (!component) throw new FormatError('structure', `a scan has an unknown component ${id}`);
    const table = state.used.get(component) ?? state.quant[component.quantTable & 3];
    if (!table) throw new FormatError('structure', `component ${id} uses a quantization table that was not defined`);
    state.used.set(component, table);
    return { component, dc: dc[tables >> 4], ac: ac[tables & 15] };
  });
  const [start, end, approximation] = [s.byte(), s.byte(), s.byte()];
  const { progressive, mcuCols, mcuRows } = frame;
  if (!progressive)
    return decodeScan(bytes, at, { components, start: 0, end: 63, high: 0, low: 0, progressive, mcuCols, mcuRows, restart });
  const [high, low] = [approximation >> 4, approximation & 15];
  if (end > 63 || start > end || low > 13 || (start === 0 ? end !== 0 : count !== 1)) {
    throw new FormatError('structure', `a scan has the band ${start}..${end} and ${count} components`);
  }
  return decodeScan(bytes, at, { components, start, end, high, low, progressive, mcuCols, mcuRows, restart });
}

function picture(frame: Frame, state: State): RgbImage {
  const { width, height, components, maxH, maxV } = frame;
  const space = colorSpace(frame, state);
  const readers = components.map((c) => {
    const quant = state.used.get(c);
    if (!quant) throw new FormatError('truncated', `component ${c.id} has no data`);
    return upsampler(samples(c, quant), maxH / c.h, maxV / c.v);
  });
  // Subsampled components may write up to one sampling factor beyond the width.
  const lines = components.map(() => new Uint8Array(width + maxH * 4));
  const data = new Uint8Array(3 * width * height);
  for (let y = 0; y < height; y++) {
    readers.forEach((read, i) => {
      read(y, lines[i]!);
    });
    toRgb(space, lines, data.subarray(3 * y * width, 3 * (y + 1) * width));
  }
  return { width, height, data };
}

/** libjpeg's guess. */
function colorSpace({ components }: Frame, { jfif, adobe }: State): ColorSpace {
  if (components.length === 1) return 'gray';
  if (components.length === 4) return adobe === 2 ? 'ycck' : 'cmyk';
  if (jfif) return 'ycc';
  if (adobe !== undefined) return adobe === 0 ? 'rgb' : 'ycc';
  return String.fromCharCode(...components.map((c) => c.id)) === 'RGB' ? 'rgb' : 'ycc';
}
