// The part of ZIP that PyTorch writes: members stored as they are, one disk, with ZIP64 where sizes need it. Member names are keys, never paths.

import { FormatError, UnsupportedError } from '../errors.ts';
import type { ByteSource } from './source.ts';

/** A member's bytes as the central directory tells them. Where they begin only the local header knows: `memberPosition`. */
export interface ZipMember {
  readonly name: string;
  /** Position of the local header. */
  readonly header: number;
  readonly bytes: number;
}

const LOCAL = 0x04034b50;
const CENTRAL = 0x02014b50;
const END = 0x06054b50;
const END64 = 0x06064b50;
const LOCATOR64 = 0x07064b50;
const LOCAL_BYTES = 30;
const CENTRAL_BYTES = 46;
const END_BYTES = 22;
const END64_BYTES = 56;
const LOCATOR64_BYTES = 20;
/** A field of this value stands in the ZIP64 extra field. */
const IN_EXTRA = 0xffffffff;
/** Ten times the directory of the largest checkpoints. */
const MAX_DIRECTORY = 64 * 1024 * 1024;

/** Whether bytes from the start of a file are those of a ZIP archive. */
export function isZip(head: Uint8Array): boolean {
  return head[0] === 0x50 && head[1] === 0x4b && ((head[2] === 3 && head[3] === 4) || (head[2] === 5 && head[3] === 6));
}

/**
 * Reads the central directory.
 * @throws FormatError `truncated` (no end record, sizes beyond the file), `structure`, `duplicate` (a name twice), `limit`;
 *   UnsupportedError for compressed or encrypted members and archives in several parts
 */
export async function readZip(source: ByteSource): Promise<Map<string, ZipMember>> {
  const directory = await findDirectory(source);
  const bytes = new Uint8Array(directory.bytes);
  await source.readInto(bytes, directory.position);
  const view = new DataView(bytes.buffer);
  const members = new Map<string, ZipMember>();
  let at = 0;
  for (let i = 0; i < directory.count; i++) {
    if (at + CENTRAL_BYTES > bytes.length || view.getUint32(at, true) !== CENTRAL)
      throw new FormatError('structure', `${source.name}: entry ${i} of ${directory.count} of the zip directory is broken`);
    const nameBytes = view.getUint16(at + 28, true);
    const extraBytes = view.getUint16(at + 30, true);
    const end = at + CENTRAL_BYTES + nameBytes + extraBytes + view.getUint16(at + 32, true);
    if (end > bytes.length) throw new FormatError('structure', `${source.name}: entry ${i} of the zip directory ends beyond it`);
    const extra = at + CENTRAL_BYTES + nameBytes;
    const member = readEntry(source, view, at, extra, extraBytes, new TextDecoder().decode(bytes.subarray(at + CENTRAL_BYTES, extra)));
    if (members.has(member.name))
      throw new FormatError('duplicate', `${source.name}: the zip member ${JSON.stringify(member.name)} occurs twice`);
    members.set(member.name, member);
    at = end;
  }
  return members;
}

/** Reads the local header of a member for the position of its bytes. @throws FormatError `structure`, `truncated` */
export async function memberPosition(source: ByteSource, member: ZipMember): Promise<number> {
  const head = new Uint8Array(LOCAL_BYTES);
  await source.readInto(head, member.header);
  const view = new DataView(head.buffer);
  if (view.getUint32(0, true) !== LOCAL)
    throw new FormatError('structure', `${source.name}: ${JSON.stringify(member.name)}: no zip header at byte ${member.header}`);
  // Name and extra field may differ from the directory's in length: torch pads the local one so that storages are aligned.
  const position = member.header + LOCAL_BYTES + view.getUint16(26, true) + view.getUint16(28, true);
  if (position + member.bytes > source.size) {
    throw new FormatError(
      'truncated',
      `${source.name}: ${JSON.stringify(member.name)} ends at byte ${position + member.bytes} of a file of ${source.size}: is the download complete?`,
    );
  }
  return position;
}

/** All bytes of a small member. @throws FormatError `limit` above `most` bytes, and what memberPosition throws */
export async function memberBytes(source: ByteSource, member: ZipMember, most: number): Promise<Uint8Array> {
  if (member.bytes > most) {
    throw new FormatError(
      'limit',
      `${source.name}: ${JSON.stringify(member.name)} has ${member.bytes} bytes: at most ${most} are expected of it`,
    );
  }
  const bytes = new Uint8Array(member.bytes);
  await source.readInto(bytes, await memberPosition(source, member));
  return bytes;
}

function readEntry(source: ByteSource, view: DataView, at: number, extra: number, extraBytes: number, name: string): ZipMember {
  const where = `${source.name}: the zip member ${JSON.stringify(name)}`;
  if (view.getUint16(at + 8, true) & 1) throw new UnsupportedError(`${where} is encrypted`);
  const method = view.getUint16(at + 10, true);
  if (method !== 0)
    throw new UnsupportedError(`${where} is compressed (method ${method}): PyTorch stores members as they are; save the file again`);
  let stored = view.getUint32(at + 20, true);
  let bytes = view.getUint32(at + 24, true);
  let header = view.getUint32(at + 42, true);
  if (stored === IN_EXTRA || bytes === IN_EXTRA || header === IN_EXTRA) {
    const wide = wideFields(where, view, extra, extraBytes);
    // Only the fields that do not fit are there, in this order.
    if (bytes === IN_EXTRA) bytes = wide.next();
    if (stored === IN_EXTRA) stored = wide.next();
    if (header === IN_EXTRA) header = wide.next();
  }
  if (stored !== bytes) throw new FormatError('structure', `${where}: ${bytes} bytes are stored in ${stored}`);
  if (header + LOCAL_BYTES + bytes > source.size)
    throw new FormatError('truncated', `${where}: has ${bytes} bytes at ${header} in a file of ${source.size}: is the download complete?`);
  return { name, header, bytes };
}

/** The u64 values of the ZIP64 extra field, one after another. */
function wideFields(where: string, view: DataView, extra: number, extraBytes: number): { next(): number } {
  const broken = new FormatError('structure', `${where}: its ZIP64 sizes are missing`);
  for (let at = extra; at + 4 <= extra + extraBytes; at += 4 + view.getUint16(at + 2, true)) {
    if (view.getUint16(at, true) !== 1) continue;
    const end = Math.min(at + 4 + view.getUint16(at + 2, true), extra + extraBytes);
    let field = at + 4;
    return {
      next() {
        if (field + 8 > end) throw broken;
        field += 8;
        return wideNumber(where, view, field - 8);
      },
    };
  }
  throw broken;
}

function wideNumber(where: string, view: DataView, at: number): number {
  const value = view.getBigUint64(at, true);
  if (value > Number.MAX_SAFE_INTEGER) throw new FormatError('structure', `${where}: got a size or position of ${value}`);
  return Number(value);
}

interface Directory {
  readonly position: number;
  readonly bytes: number;
  readonly count: number;
}

async function findDirectory(source: ByteSource): Promise<Directory> {
  const tail = new Uint8Array(Math.min(source.size, END_BYTES + 0xffff));
  const start = source.size - tail.length;
  await source.readInto(tail, start);
  const view = new DataView(tail.buffer);
  for (let at = tail.length - END_BYTES; at >= 0; at--) {
    // The comment must end with the file: the signature alone may occur in the data.
    if (view.getUint32(at, true) !== END || at + END_BYTES + view.getUint16(at + 20, true) !== tail.length) continue;
    if (view.getUint16(at + 4, true) !== 0) throw new UnsupportedError(`${source.name}: is a zip archive in several parts`);
    const found = (await directory64(source, tail, start, at)) ?? {
      count: view.getUint16(at + 10, true),
      bytes: view.getUint32(at + 12, true),
      position: view.getUint32(at + 16, true),
    };
    if (found.position + found.bytes > start + at)
      throw new FormatError('structure', `${source.name}: a zip directory of ${found.bytes} bytes at ${found.position} overlaps its end`);
    if (found.bytes > MAX_DIRECTORY) throw new FormatError('limit', `${source.name}: a zip directory of ${found.bytes} bytes`);
    return found;
  }
  throw new FormatError('truncated', `${source.name}: the end of the zip archive is missing: is the download complete?`);
}

/** The ZIP64 end record, when a locator stands before the plain one. */
async function directory64(source: ByteSource, tail: Uint8Array, start: number, end: number): Promise<Directory | null> {
  const locator = new DataView(tail.buffer);
  const at = end - LOCATOR64_BYTES;
  if (at < 0 || locator.getUint32(at, true) !== LOCATOR64) return null;
  const position = wideNumber(source.name, locator, at + 8);
  if (position + END64_BYTES > start + at)
    throw new FormatError('structure', `${source.name}: the ZIP64 record should be at byte ${position}: there is no room for it`);
  const record = new Uint8Array(END64_BYTES);
  await source.readInto(record, position);
  const view = new DataView(record.buffer);
  if (view.getUint32(0, true) !== END64) throw new FormatError('structure', `${source.name}: no ZIP64 record at byte ${position}`);
  return {
    count: wideNumber(source.name, view, 32),
    bytes: wideNumber(source.name, view, 40),
    position: wideNumber(source.name, view, 48),
  };
}
