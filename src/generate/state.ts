// A session as bytes, for a process to come: which rows are in, what its caches hold, the pictures' rows, and the conversation.
//
//   "PUMS"  u32 version  u32 bytes of the head  head: JSON  pictures: f32 [rows, hidden] each  caches
//
// All numbers little-endian. The head names the model and the settings that the caches depend on, and has the SHA-256 of what follows it.

import { sha256 } from '../digest.ts';
import { FormatError, InputError } from '../errors.ts';
import type { ImageRows, Row } from './rows.ts';
import type { Snapshot } from './session.ts';

const MAGIC = 0x534d5550;
/** Changes with the head and with the layout of caches. */
const VERSION = 1;
const FIXED = 12;

export interface SavedState {
  readonly snapshot: Snapshot;
  /** Encoded pictures, those of the rows among them. */
  readonly pictures: readonly ImageRows[];
  /** Whatever the caller keeps with it, as JSON. */
  readonly conversation: unknown;
}

/** What caches depend on. Bytes that were saved for another value are refused. */
export interface StateOwner {
  /** Digest of the checkpoint. */
  readonly model: string;
  /** Settings of loading: layouts of caches, pruning, precision. */
  readonly settings: string;
}

interface Head extends StateOwner {
  readonly sha256: string;
  /** Ids, or [picture, first row, rows]. */
  readonly rows: readonly (number | readonly [number, number, number])[];
  readonly marks: Snapshot['marks'];
  readonly tables?: number;
  readonly caches: { readonly from: number; readonly to: number; readonly bytes: number };
  readonly pictures: readonly { readonly key: string; readonly rows: number; readonly values: number }[];
  readonly conversation: unknown;
}

export async function encodeState(owner: StateOwner, { snapshot, pictures, conversation }: SavedState): Promise<Uint8Array<ArrayBuffer>> {
  const { marks, tables, caches } = snapshot;
  const body = joined([...pictures.map((p) => bytesOf(p.features)), caches.bytes]);
  const head: Head = {
    ...owner,
    sha256: await sha256(body),
    rows: runs(snapshot.rows, pictures),
    marks,
    ...(tables === undefined ? {} : { tables }),
    caches: { from: caches.from, to: caches.to, bytes: caches.bytes.length },
    pictures: pictures.map(({ key, rows, features }) => ({ key, rows, values: features.length })),
    conversation,
  };
  const text = new TextEncoder().encode(JSON.stringify(head));
  const fixed = new DataView(new ArrayBuffer(FIXED));
  for (const [i, word] of [MAGIC, VERSION, text.length].entries()) fixed.setUint32(4 * i, word, true);
  return joined([new Uint8Array(fixed.buffer), text, body]);
}

/** @throws FormatError for bytes that are no whole state; InputError for a state of another version, model or settings */
export async function decodeState(owner: StateOwner, bytes: Uint8Array): Promise<SavedState> {
  const bad = (what: string) => new FormatError('structure', `state: ${what}: a state as saveState gives it is expected`);
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < FIXED || view.getUint32(0, true) !== MAGIC) throw bad(`got ${bytes.length} bytes that begin otherwise`);
  const version = view.getUint32(4, true);
  if (version !== VERSION) throw new InputError(`state: is of another version: got ${version}, expected ${VERSION}: save it again`);
  const start = FIXED + view.getUint32(8, true);
  if (start > bytes.length) throw bad(`ends within its head: got ${bytes.length} bytes`);
  let head: Head;
  try {
    head = JSON.parse(new TextDecoder().decode(bytes.subarray(FIXED, start))) as Head;
  } catch {
    throw bad('got a head that is no JSON');
  }
  const body = new Uint8Array(bytes.subarray(start));
  const expected = head.caches.bytes + head.pictures.reduce((n, p) => n + 4 * p.values, 0);
  if (body.length !== expected) throw bad(`got ${body.length} bytes of pictures and caches, expected ${expected}`);
  if ((await sha256(body)) !== head.sha256) throw bad('got bytes that do not agree with their checksum');
  if (head.model !== owner.model) throw new InputError(`state: was saved for another model: got ${head.model}, this one is ${owner.model}`);
  if (head.settings !== owner.settings)
    throw new InputError(`state: was saved with other settings: got ${head.settings}, expected ${owner.settings}: load the model as then`);
  let at = 0;
  const pictures = head.pictures.map(({ key, rows, values }): ImageRows => {
    const features = new Float32Array(body.slice(at, at + 4 * values).buffer);
    at += 4 * values;
    return { key, rows, features };
  });
  const { from, to } = head.caches;
  const snapshot: Snapshot = {
    rows: head.rows.flatMap((r) => (typeof r === 'number' ? [{ id: r }] : pictureRows(pictures[r[0]]!, r[1], r[2]))),
    marks: head.marks,
    ...(head.tables === undefined ? {} : { tables: head.tables }),
    caches: { from, to, bytes: body.subarray(at) },
  };
  return { snapshot, pictures, conversation: head.conversation };
}

const pictureRows = (image: ImageRows, first: number, count: number): Row[] =>
  Array.from({ length: count }, (_, i) => ({ id: -1, image, row: first + i }));

function runs(rows: readonly Row[], pictures: readonly ImageRows[]): Head['rows'] {
  const out: (number | [number, number, number])[] = [];
  for (const { id, image, row = 0 } of rows) {
    const last = out.at(-1);
    if (!image) out.push(id);
    else {
      const k = pictures.findIndex((p) => p.key === image.key);
      if (typeof last === 'object' && last[0] === k && last[1] + last[2] === row) last[2]++;
      else out.push([k, row, 1]);
    }
  }
  return out;
}

const bytesOf = (x: Float32Array): Uint8Array => new Uint8Array(x.buffer, x.byteOffset, x.byteLength);

function joined(parts: readonly Uint8Array[]): Uint8Array<ArrayBuffer> {
  const out = new Uint8Array(parts.reduce((n, p) => n + p.length, 0));
  let at = 0;
  for (const p of parts) {
    out.set(p, at);
    at += p.length;
  }
  return out;
}
