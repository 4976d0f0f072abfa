import assert from 'node:assert/strict';
import { cpSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FormatError, InputError, UnsupportedError } from '../../src/errors.ts';
import { openGguf, openGgufParts } from '../../src/formats/gguf.ts';
import { type ByteSource, bufferSource } from '../../src/formats/source.ts';
import { fileSource, localFolder } from '../../src/runtime/nodeFiles.ts';
import { fixture } from '../fixtures.ts';
import { writeGguf } from './writeGguf.ts';

const refusal = (code: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof FormatError || error instanceof UnsupportedError, String(error));
  assert.equal(error.code, code);
  assert.match(error.message, message);
  return true;
};

test('messages name the file, the tensor and the type', async () => {
  const open = (...args: Parameters<typeof writeGguf>) => openGguf(bufferSource(writeGguf(...args), 'm.gguf'));
  await assert.rejects(
    open([], [{ name: 'blk.0.attn_q.weight', axes: [256], type: 16 }]),
    refusal('unsupported', /m\.gguf: blk\.0\.attn_q\.weight: tensors of type IQ2_XXS/),
  );
  await assert.rejects(open([], [{ name: 'a', axes: [256], type: 31 }]), refusal('unsupported', /Q4_0_4_4 was removed/));
  await assert.rejects(
    open([], [{ name: 'a', axes: [33], type: 2 }]),
    refusal('bad_shape', /a: rows of 33 values in q4_0: a multiple of 32/),
  );
  const page = bufferSource(new TextEncoder().encode('<!DOCTYPE html><html>'), 'page.gguf');
  await assert.rejects(openGguf(page), refusal('magic', /page\.gguf: not a GGUF file: it is a web page/));
});

test('metadata getters: liberal about integers, clear about the rest', async () => {
  const file = await openGguf(
    bufferSource(
      writeGguf([
        ['small', 'u8', 7],
        ['big', 'u64', 2n ** 40n],
        ['minus', 'i32', -1],
        ['long', 'i64', 12],
        ['eps', 'f32', 0.5],
        ['yes', 'bool', true],
        ['name', 'string', 'x'],
        ['raw', 'string', new Uint8Array([0xff, 0xfe])],
        ['words', 'array', 'string', ['a', 'ü', new Uint8Array([0xe4, 0xb8])]],
        ['pins', 'array', 'i32', [336, 672]],
        ['__proto__', 'u32', 3],
      ]),
      'm.gguf',
    ),
  );
  const { meta } = file;
  assert.equal(meta.u32('small'), 7);
  assert.equal(meta.u32('long'), 12);
  assert.equal(meta.u32('absent', 5), 5);
  assert.equal(meta.u32('__proto__'), 3);
  assert.equal(meta.f32('eps'), 0.5);
  assert.equal(meta.f32('small'), 7);
  assert.equal(meta.bool('yes'), true);
  assert.equal(meta.string('name'), 'x');
  assert.deepEqual(meta.numbers('pins'), [336, 672]);
  assert.deepEqual(meta.strings('words').slice(0, 2), ['a', 'ü']);
  const words = meta.array('words');
  assert.ok(words.of === 'string');
  assert.deepEqual([...words.items.bytes(2)], [0xe4, 0xb8]);
  assert.deepEqual(file.metadata.get('big'), { type: 'u64', value: 2n ** 40n });
  assert.throws(() => meta.u32('absent'), refusal('missing_key', /m\.gguf: the metadata key absent is missing/));
  assert.throws(() => meta.u32('big'), refusal('bad_type', /got u64 1099511627776, a whole number in 0\.\.2\^32-1/));
  assert.throws(() => meta.u32('minus'), refusal('bad_type', /got i32 -1/));
  assert.throws(() => meta.bool('small'), refusal('bad_type', /got u8 7, a bool is expected/));
  assert.throws(() => meta.string('words'), refusal('bad_type', /got an array of string, a string/));
  assert.throws(() => meta.string('raw'), refusal('bad_string', /raw: the string is not valid UTF-8/));
  assert.throws(() => meta.numbers('words'), refusal('bad_type', /an array of numbers/));
});

/** A source that counts what is read of it. */
function counted(bytes: Uint8Array): { source: ByteSource; read: () => number } {
  const inner = bufferSource(bytes);
  let total = 0;
  const readInto: ByteSource['readInto'] = async (target, position) => {
    total += target.byteLength;
    await inner.readInto(target, position);
  };
  return { source: { ...inner, readInto }, read: () => total };
}

test('a head longer than the first read; 150000 strings; the data are not read', async () => {
  const tokens = Array.from({ length: 150_000 }, (_, i) => (i % 10 === 0 ? `▁wört${i}` : `token${i}`));
  const head: Parameters<typeof writeGguf>[0] = [
    ['tokens', 'array', 'string', tokens],
    ['scores', 'array', 'f32', tokens.map((_, i) => -i)],
    ['last', 'u32', 9],
  ];
  const { source, read } = counted(writeGguf(head, [{ name: 'w', axes: [4_000_000] }]));
  const file = await openGguf(source);
  const strings = file.meta.strings('tokens');
  assert.deepEqual(strings, tokens);
  assert.equal(file.meta.u32('last'), 9);
  assert.ok(read() < 8 * 1024 * 1024, `read ${read()} bytes`);
});

test('tensors are read in pieces, within their bounds', async () => {
  const data = Uint8Array.from({ length: 64 }, (_, i) => i);
  const file = await openGguf(
    bufferSource(
      writeGguf(
        [],
        [
          { name: 'a', axes: [3, 2] },
          { name: 'w', axes: [8, 2], data },
        ],
      ),
    ),
  );
  const info = file.tensors.get('w')!;
  assert.deepEqual(info, { name: 'w', type: 'f32', shape: [2, 8], bytes: 64 });
  const shared = new Uint8Array(new SharedArrayBuffer(10));
  await file.readInto(info, shared, 30);
  assert.deepEqual([...shared], [...data.subarray(30, 40)]);
  await assert.rejects(file.readInto(info, new Uint8Array(10), 60), InputError);
  await assert.rejects(file.readInto({ ...info, name: 'x' }, new Uint8Array(1)), /there is no tensor x/);
});

test('a split model: wrong part, part alone, part missing, part renamed', async () => {
  const from = fixture('formats/gguf/split-3');
  const part = (i: number): string => `tiny-0000${i}-of-00003.gguf`;
  await assert.rejects(openGgufParts(localFolder(from), part(2)), refusal('split', /this is part 2 of 3: open tiny-00001-of-00003\.gguf/));
  await assert.rejects(openGguf(fileSource(join(from, part(1)))), refusal('split', /one of 3 parts/));
  const dir = mkdtempSync(join(tmpdir(), 'gguf-'));
  try {
    cpSync(join(from, part(1)), join(dir, part(1)));
    cpSync(join(from, part(2)), join(dir, part(2)));
    await assert.rejects(openGgufParts(localFolder(dir), part(1)), refusal('split', /tiny-00003-of-00003\.gguf is missing/));
    cpSync(join(from, part(2)), join(dir, part(3)));
    await assert.rejects(openGgufParts(localFolder(dir), part(1)), refusal('split', /says it is part 2 of 3, part 3 of 3 is expected/));
    cpSync(join(from, part(1)), join(dir, 'other.gguf'));
    await assert.rejects(openGgufParts(localFolder(dir), 'other.gguf'), refusal('split', /must be named <model>-00001-of-00003\.gguf/));
  } finally {
    rmSync(dir, { recursive: true });
  }
});
