import assert from 'node:assert/strict';
import { test } from 'node:test';
import { InputError, type PumiceError } from '../../src/errors.ts';
import { openCheckpoint } from '../../src/formats/checkpoint.ts';
import { parseJson } from '../../src/formats/json.ts';
import { openSafetensors, openSafetensorsShards } from '../../src/formats/safetensors.ts';
import { bufferSource, type Folder } from '../../src/formats/source.ts';

const text = (value: unknown): Uint8Array => new TextEncoder().encode(typeof value === 'string' ? value : JSON.stringify(value));

function safetensors(header: unknown, data: Uint8Array = new Uint8Array(0)): Uint8Array {
  const json = text(header);
  const bytes = new Uint8Array(8 + json.length + data.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(json.length), true);
  bytes.set(json, 8);
  bytes.set(data, 8 + json.length);
  return bytes;
}

const one = (name: string, byte: number): Uint8Array =>
  safetensors({ [name]: { dtype: 'U8', shape: [2], data_offsets: [0, 2] } }, new Uint8Array([byte, byte]));

/** A folder in memory, which counts what is open. */
function memory(files: Record<string, Uint8Array>): Folder & { opened: () => number } {
  let opened = 0;
  return {
    name: 'repo',
    list: async () => Object.keys(files),
    async open(file) {
      const bytes = Object.hasOwn(files, file) ? files[file] : undefined;
      if (bytes === undefined) throw new InputError(`repo/${file}: there is no such file`);
      opened++;
      const close = async (): Promise<void> => {
        opened--;
      };
      return { ...bufferSource(bytes, `repo/${file}`), close };
    },
    folder: async () => null,
    opened: () => opened,
  };
}

const code = (wanted: string, message: RegExp) => (error: unknown) => {
  assert.equal((error as PumiceError).code, wanted, String(error));
  assert.match(String(error), message);
  return true;
};

test('shards are read through their index; what it lacks is left out; all is closed', async () => {
  const folder = memory({
    'model.safetensors.index.json': text({
      metadata: { total_size: 1 },
      weight_map: { a: 's1.safetensors', __proto__: 'x', c: 's2.safetensors' },
    }),
    's1.safetensors': one('a', 1),
    's2.safetensors': safetensors(
      { c: { dtype: 'U8', shape: [1], data_offsets: [0, 1] }, extra: { dtype: 'U8', shape: [], data_offsets: [1, 2] } },
      new Uint8Array([5, 6]),
    ),
  });
  const file = await openCheckpoint(folder);
  assert.deepEqual([...file.tensors.keys()], ['a', 'c']);
  const byte = new Uint8Array(1);
  await file.readInto(file.tensors.get('c')!, byte);
  assert.equal(byte[0], 5);
  assert.equal(folder.opened(), 2);
  await file.close();
  assert.equal(folder.opened(), 0);
});

test('broken indexes are refused, and nothing stays open', async () => {
  const tried = async (map: unknown, wanted: string, message: RegExp): Promise<void> => {
    const folder = memory({ 'i.json': text(map), 's1.safetensors': one('a', 1) });
    await assert.rejects(openSafetensorsShards(folder, 'i.json'), code(wanted, message));
    assert.equal(folder.opened(), 0);
  };
  for (const path of ['../s1.safetensors', '/etc/passwd', 'a/b.safetensors', 'a\\b', '..', '.', '', 'C:x', 'a\u0000b']) {
    await tried({ weight_map: { a: path } }, 'traversal', /a file in the same folder is expected/);
  }
  await tried({ weight_map: { a: 's2.safetensors' } }, 'missing', /the shard s2\.safetensors is missing/);
  await tried({ weight_map: { b: 's1.safetensors' } }, 'structure', /b should be in s1\.safetensors: the shard has no such tensor/);
  await tried({ weight_map: { a: 1 } }, 'structure', /got 1, a file name is expected/);
  await tried({}, 'structure', /no weight_map/);
  await tried('{"weight_map": {"a": "s1.safetensors", "a": "s1.safetensors"}}', 'duplicate', /the key "a" occurs twice/);
  await tried('{"weight_map": ', 'format', /broken JSON/);
});

test('the order of preference in a folder', async () => {
  const index = { weight_map: { a: 's1.safetensors' } };
  const first = async (files: Record<string, Uint8Array>): Promise<string[]> => [...(await openCheckpoint(memory(files))).tensors.keys()];
  const single = { 'model.safetensors': one('single', 1) };
  const bin = { 'pytorch_model.bin': text('PK') };
  assert.deepEqual(await first({ ...bin, ...single, 's1.safetensors': one('a', 1), 'model.safetensors.index.json': text(index) }), ['a']);
  assert.deepEqual(await first({ ...bin, 'model.fp16.safetensors': one('half', 1), ...single }), ['single']);
  assert.deepEqual(await first({ ...bin, 'model.fp16.safetensors': one('half', 1) }), ['half']);
  await assert.rejects(
    openCheckpoint(memory(bin)),
    code('format', /pytorch_model\.bin: is neither a zip archive nor a legacy PyTorch file/),
  );
  await assert.rejects(openCheckpoint(memory({ 'readme.md': text('') })), code('input', /has no weights/));
});

test('types that are not read are named', async () => {
  const bytes = safetensors({ w: { dtype: 'F8_E4M3', shape: [1], data_offsets: [0, 1] } }, new Uint8Array(1));
  await assert.rejects(openSafetensors(bufferSource(bytes, 'm')), code('unsupported', /m: w: tensors of type F8_E4M3 are not supported/));
});

test('JSON: escaped duplicates are found, equal keys of two objects and keys within strings are not taken for any', () => {
  assert.throws(() => parseJson(text('{"a": 1, "\\u0061": 2}'), 'x'), code('duplicate', /the key "a" occurs twice/));
  assert.throws(() => parseJson(text('{"o": {"a": 1, "b": [], "a" : 2}}'), 'x'), code('duplicate', /"a"/));
  assert.deepEqual(parseJson(text('{"a": {"b": 1}, "c": {"b": "\\"a\\": {"}, "d": ["a", "a"]}'), 'x'), {
    a: { b: 1 },
    c: { b: '"a": {' },
    d: ['a', 'a'],
  });
  assert.throws(() => parseJson(text(`{"${'\\"'.repeat(500_000)}`), 'x'), code('format', /broken JSON/));
});
