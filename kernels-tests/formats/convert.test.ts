// Conversion without the reference's files: tokenizers, types, pairs, and what is refused.

import assert from 'node:assert/strict';
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { convert, quantize } from '../../src/cli/convert.ts';
import { writeWhole } from '../../src/cli/writeFile.ts';
import type { GgufContent } from '../../src/convert/content.ts';
import { asPair, ggufContent, inMix, requantized } from '../../src/convert/fromGguf.ts';
import { readImatrix } from '../../src/convert/imatrix.ts';
import { mixOf, typeInMix } from '../../src/convert/mix.ts';
import { ggufStream } from '../../src/convert/write.ts';
import { FormatError, InputError } from '../../src/errors.ts';
import { dequantize } from '../../src/formats/dequantize.ts';
import { type GgufFile, openGguf } from '../../src/formats/gguf.ts';
import { ggufHead } from '../../src/formats/ggufWriter.ts';
import { bufferSource } from '../../src/formats/source.ts';
import { written } from '../../src/golden/convert.ts';
import { Llava } from '../../src/index.ts';
import { nodePlatform } from '../../src/runtime/node.ts';
import { fileSource, localFolder } from '../../src/runtime/nodeFiles.ts';
import { tokenizerFromGguf } from '../../src/tokenizer/gguf.ts';
import { loadTokenizer } from '../../src/tokenizer/load.ts';
import { ggufTokenizer } from '../../src/tokenizer/toGguf.ts';
import { fixture } from '../fixtures.ts';

const MODEL = fixture('models/gguf/llava15-tiny/model.gguf');
const MMPROJ = fixture('models/gguf/llava15-tiny/mmproj.gguf');
const directory = mkdtempSync(join(tmpdir(), 'pumice-convert-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const at = (name: string) => join(directory, name);
const open = (path: string): Promise<GgufFile> => openGguf(fileSource(path));
const values = async (file: GgufFile, name: string): Promise<Float32Array> => {
  const info = file.tensors.get(name)!;
  const bytes = new Uint8Array(info.bytes);
  await file.readInto(info, bytes);
  return dequantize(info.type, bytes);
};

const TEXTS = ['Hello, world!', ' two  spaces\n\nand 12345 numbers', 'naïve 日本語 🙂 <s> </s>', "it's  a\ttab", ''];
for (const name of ['tiny-bpe', 'tiny-spm', 'tiny-tiktoken']) {
  test(`${name}: the tokenizer in a GGUF file gives the same ids`, async () => {
    const folder = localFolder(fixture(`tokenizer/${name}`));
    const hub = await loadTokenizer(folder);
    const keys = await ggufTokenizer(folder, hub.size + 3);
    const { head } = ggufHead(new Map(keys), []);
    const { meta } = await openGguf(bufferSource(head));
    const legacy = meta.bool('pumice.tokenizer.legacy', true);
    const own = await tokenizerFromGguf(meta, { legacy });
    assert.equal(own.size, hub.size + 3);
    assert.equal(own.eosId, hub.eosId);
    assert.equal(own.addBos, hub.addBos);
    for (const text of TEXTS) {
      assert.deepEqual(own.encode(text, { bos: true }), hub.encode(text, { bos: true }), text);
      assert.deepEqual(own.encode(text, { special: true }), hub.encode(text, { special: true }), text);
      const ids = hub.encode(text);
      assert.equal(own.decode(ids), hub.decode(ids));
    }
  });
}

test('a pair as one file answers as the pair, and goes back to the same pair', async () => {
  await convert(MODEL, at('one.gguf'), { inMmproj: MMPROJ });
  await convert(at('one.gguf'), at('model.gguf'), { mmproj: at('mmproj.gguf') });
  const image = { width: 90, height: 60, data: Uint8Array.from({ length: 90 * 60 * 3 }, (_, i) => (i * 7) % 256) };
  const answers: string[] = [];
  for (const [path, mmproj] of [[MODEL, MMPROJ], [at('one.gguf')], [at('model.gguf'), at('mmproj.gguf')]] as const) {
    const llava = await Llava.load(path, { threads: 0, ...(mmproj === undefined ? {} : { mmproj }) });
    answers.push(
      await llava
        .chat(
          [
            {
              role: 'user',
              content: [
                { type: 'image', image },
                { type: 'text', text: 'what?' },
              ],
            },
          ],
          { maxTokens: 8 },
        )
        .text(),
    );
    await llava.dispose();
  }
  assert.deepEqual(new Set(answers).size, 1, answers.join(' | '));
  const [before, after_] = [await open(MODEL), await open(at('model.gguf'))];
  for (const name of before.tensors.keys()) assert.deepEqual(await values(after_, name), await values(before, name), name);
  assert.deepEqual([...after_.metadata.keys()].sort(), [...before.metadata.keys()].sort());
  await before.close();
  await after_.close();
});

test('metadata of every type pass through unchanged', async () => {
  for (const name of ['container-all-types', 'container-raw-byte-values', 'container-align128']) {
    const file = await open(fixture(`formats/gguf/${name}/model.gguf`));
    const { metadata } = await written({ ...ggufContent(file), tensors: [] });
    const plain = (values: GgufFile['metadata']) =>
      [...values].map(([key, { value }]) => [key, typeof value === 'object' && 'items' in value ? [value.of, ...value.items] : value]);
    assert.deepEqual(
      plain(metadata),
      plain(file.metadata).filter(([key]) => key !== 'general.alignment'),
    );
    await file.close();
  }
});

test('a stream of any length: pieces of 4 MiB at most, two read ahead', async () => {
  const MOST = 2 ** 22;
  for (const type of ['f16', 'q4_k'] as const) {
    for (const rows of [1500, 2100]) {
      const info = { name: 'w', type: 'f16', shape: [rows, 4096], bytes: 2 * rows * 4096 } as const;
      const reads: number[] = [];
      const files = {
        name: 'zeros',
        tensors: new Map([['w', info]]),
        readInto: async (_: unknown, target: Uint8Array) => void reads.push(target.length),
        close: async () => {},
      };
      const { bytes, pieces } = ggufStream({ metadata: new Map(), tensors: [{ ...info, type, files, parts: [info] }] }, nodePlatform);
      let written = 0;
      let ahead = 0;
      let count = 0;
      for await (const piece of pieces()) {
        assert.ok(piece.length <= MOST, `${piece.length} bytes written at once`);
        written += piece.length;
        // The first piece is the file's head.
        ahead = Math.max(ahead, reads.length - count++);
      }
      assert.equal(written, bytes);
      assert.equal(
        reads.reduce((a, b) => a + b),
        info.bytes,
      );
      assert.ok(reads.length >= info.bytes / MOST && Math.max(...reads) <= MOST, `reads of ${reads.join(', ')} bytes`);
      assert.equal(ahead, 2, 'pieces beside the one that is written');
    }
  }
});

test('quantize: types by role, the same bytes twice, no half files', async () => {
  await convert(MODEL, at('both.gguf'), { inMmproj: MMPROJ });
  await quantize(at('both.gguf'), at('f16.gguf'), { type: 'f16' });
  await quantize(at('f16.gguf'), at('a.gguf'), { type: 'Q5_0' });
  await quantize(at('f16.gguf'), at('b.gguf'), { type: 'q5_0' });
  assert.ok(readFileSync(at('a.gguf')).equals(readFileSync(at('b.gguf'))));
  assert.ok(!existsSync(at('a.gguf.partial')));
  const file = await open(at('a.gguf'));
  const type = (name: string) => file.tensors.get(name)!.type;
  assert.equal(type('blk.0.attn_q.weight'), 'q5_0');
  // A row of 64 is no block of 256.
  assert.equal(type('output.weight'), 'q8_0');
  assert.equal(type('blk.0.attn_norm.weight'), 'f32');
  assert.equal(type('v.blk.0.attn_q.weight'), 'f16');
  assert.equal(type('v.position_embd.weight'), 'f32');
  assert.equal(file.meta.u32('general.file_type'), 8);
  await file.close();
});

test('the medium mix of four bits on 32 layers', () => {
  const context = { layers: 32, groups: 1, tied: false, weighted: false };
  const more = Array.from({ length: 32 }, (_, i) => typeInMix(mixOf('q4_k'), `blk.${i}.attn_v.weight`, [4096, 4096], 'f16', context));
  assert.deepEqual(
    more.flatMap((t, i) => (t === 'q6_k' ? [i] : [])),
    [0, 1, 2, 3, 6, 9, 12, 15, 18, 21, 24, 27, 28, 29, 30, 31],
  );
  assert.throws(() => mixOf('q9'), InputError);
});

test('importance: both formats, and of another model', async () => {
  const name = 'blk.0.attn_q.weight';
  const legacy = new Uint8Array(4 + 4 + name.length + 8 + 4 * 64);
  const view = new DataView(legacy.buffer);
  view.setInt32(0, 1, true);
  view.setInt32(4, name.length, true);
  legacy.set(new TextEncoder().encode(name), 8);
  view.setInt32(8 + name.length, 4, true);
  view.setInt32(12 + name.length, 64, true);
  for (let i = 0; i < 64; i++) view.setFloat32(16 + name.length + 4 * i, i, true);
  writeFileSync(at('old.dat'), legacy);
  const old = await readImatrix(fileSource(at('old.dat')));
  assert.equal(old.get(name)![8], 2);

  const sums = Float32Array.from({ length: 64 }, (_, i) => i);
  const data = (v: Float32Array): Uint8Array => new Uint8Array(v.buffer);
  const { head } = ggufHead(new Map([['general.type', { type: 'string', value: 'imatrix' }]]), [
    { name: `${name}.in_sum2`, type: 'f32', shape: [64] },
    { name: `${name}.counts`, type: 'f32', shape: [1] },
  ]);
  const bytes = Buffer.concat([head, data(sums), data(Float32Array.of(4))]);
  const weights = await readImatrix(bufferSource(bytes, 'i.gguf'));
  assert.deepEqual(weights.get(name), old.get(name));

  const model = await open(MODEL);
  const plain = await written(requantized(model, mixOf('q4_0')));
  const weighted = await written(requantized(model, mixOf('q4_0'), weights));
  const [x, y, z] = [await values(model, name), await values(plain, name), await values(weighted, name)];
  const error = (q: Float32Array) => x.reduce((n, v, i) => n + (i % 64) * (v - q[i]!) ** 2, 0);
  assert.ok(error(z) < error(y), `${error(z)} ${error(y)}`);
  assert.throws(() => requantized(model, mixOf('q4_0'), new Map([[name, new Float32Array(32)]])), FormatError);
  await model.close();
  await assert.rejects(readImatrix(bufferSource(new Uint8Array(64))), FormatError);
});

test('what does not fit is refused', async () => {
  const model = await open(MODEL);
  const content: GgufContent = ggufContent(model);
  assert.throws(() => asPair(content, 'm'), /no tower/);
  const odd = { ...content.tensors[0]!, name: 'model.resampler.weight' };
  assert.throws(() => asPair({ ...content, tensors: [odd] }, 'm'), /no place/);
  assert.equal(inMix(content, mixOf('q8_0'), 2, 1).metadata.get('general.file_type')?.value, 7);
  await model.close();
  await assert.rejects(convert(MODEL, at('x.gguf'), { type: 'q4_0' }), /quantize/);
});

test('a writer that is stopped leaves nothing', async () => {
  const controller = new AbortController();
  const pieces = async function* () {
    yield new Uint8Array(1000);
    controller.abort(new Error('enough'));
    yield new Uint8Array(1000);
  };
  await assert.rejects(writeWhole({ path: at('stop.gguf'), bytes: 2000, pieces }, 'write', controller.signal), /enough/);
  assert.ok(!existsSync(at('stop.gguf')) && !existsSync(at('stop.gguf.partial')));
  await assert.rejects(writeWhole({ path: at('no/such/folder.gguf'), bytes: 1, pieces: () => [new Uint8Array(1)] }, 'write'), InputError);
});
