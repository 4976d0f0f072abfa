// Packed files: the same answers as from the plain one, and refused when the layouts are not those of this version.

import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, test } from 'node:test';
import { convert, quantize } from '../../src/cli/convert.ts';
import { FormatError, InputError, UnsupportedError } from '../../src/errors.ts';
import { openGguf } from '../../src/formats/gguf.ts';
import { bufferSource } from '../../src/formats/source.ts';
import { BLOCKS, type StorageType, type TensorFiles, type TensorInfo } from '../../src/formats/tensors.ts';
import { fixedTensor } from '../../src/graph/graph.ts';
import { PACKED_VERSION } from '../../src/graph/packed.ts';
import { LAYOUT } from '../../src/graph/weights.ts';
import { Llava, type LoadOptions } from '../../src/index.ts';
import { PACKED_KEY } from '../../src/models/packedLayout.ts';
import { synthModel } from '../../src/models/synth.ts';
import { packRows } from '../../src/runtime/load.ts';
import { fixture } from '../fixtures.ts';
import { coldEngine } from '../harness.ts';

const MODEL = fixture('models/gguf/llava15-tiny/model.gguf');
const MMPROJ = fixture('models/gguf/llava15-tiny/mmproj.gguf');
const directory = mkdtempSync(join(tmpdir(), 'pumice-packed-'));
after(() => rmSync(directory, { recursive: true, force: true }));
const at = (name: string) => join(directory, name);
const image = { width: 90, height: 60, data: Uint8Array.from({ length: 90 * 60 * 3 }, (_, i) => (i * 7) % 256) };

async function answer(model: string, options: LoadOptions = {}): Promise<unknown> {
  await using llava = await Llava.load(model, { threads: 2, conversation: 'vicuna_v1', ...options });
  const content = [...(llava.model.encoder ? [{ type: 'image' as const, image }] : []), { type: 'text' as const, text: 'what is here?' }];
  const chunks = [];
  for await (const c of llava.chat([{ role: 'user', content }], { maxTokens: 6, logprobs: 3 })) chunks.push(c);
  return chunks;
}

test('a pair, packed: the same bits', async () => {
  const path = at('pair.gguf');
  await convert(MODEL, path, { inMmproj: MMPROJ, packed: true });
  assert.ok(!existsSync(`${path}.plain`) && !existsSync(`${path}.partial`));
  assert.deepEqual(await answer(path), await answer(MODEL, { mmproj: MMPROJ }));
  await assert.rejects(answer(path, { precision: 'float' }), UnsupportedError);
  await assert.rejects(convert(path, at('again.gguf'), {}), /is packed already/);
  await assert.rejects(quantize(path, at('again.gguf'), { type: 'q8_0' }), InputError);
});

test('quantized and packed at once: the bits of the quantized file', async () => {
  const bytes: Uint8Array[] = [...synthModel('overhead', 'f16').pieces()];
  writeFileSync(at('f16.gguf'), Buffer.concat(bytes));
  for (const type of ['q4_0', 'q8_0', 'q5_1']) {
    await quantize(at('f16.gguf'), at('plain.gguf'), { type });
    await quantize(at('f16.gguf'), at('packed.gguf'), { type, packed: true });
    assert.deepEqual(await answer(at('packed.gguf')), await answer(at('plain.gguf')), type);
    assert.ok(Math.abs(statSync(at('packed.gguf')).size / statSync(at('plain.gguf')).size - 1) < 0.1, type);
  }
});

test('another version and a broken table are refused', async () => {
  const path = at('pair.gguf');
  if (!existsSync(path)) await convert(MODEL, path, { inMmproj: MMPROJ, packed: true });
  const changed = (from: Buffer, to: Buffer) => {
    const bytes = readFileSync(path);
    const i = bytes.indexOf(from);
    assert.ok(i > 0);
    to.copy(bytes, i);
    writeFileSync(at('changed.gguf'), bytes);
    return answer(at('changed.gguf'));
  };
  const version = (n: number) => Buffer.concat([Buffer.from(PACKED_KEY), Buffer.from([4, 0, 0, 0, n, 0, 0, 0])]);
  await assert.rejects(changed(version(PACKED_VERSION), version(PACKED_VERSION + 1)), /another version: got 2, expected 1/);
  await assert.rejects(changed(Buffer.from('["packed-'), Buffer.from('["pecked-')), FormatError);
  assert.equal((await openGguf(bufferSource(readFileSync(path)))).meta.u32(PACKED_KEY), PACKED_VERSION);
});

test('layouts are those of this version', async () => {
  const engine = await coldEngine('simd');
  const hash = createHash('sha256');
  for (const [type, layout] of Object.entries(LAYOUT) as [StorageType, NonNullable<(typeof LAYOUT)[StorageType]>][]) {
    const [rows, cols] = [16, 512];
    const bytes = Uint8Array.from(
      { length: (rows * cols * BLOCKS[type].bytes) / BLOCKS[type].values },
      (_, i) => (i * 131 + (i >> 7)) % 120,
    );
    const info: TensorInfo = { name: type, type, shape: [rows, cols], bytes: bytes.length };
    const files: TensorFiles = {
      name: 'bytes',
      tensors: new Map([[type, info]]),
      readInto: async (_, target, from = 0) => target.set(bytes.subarray(from, from + target.length)),
      close: async () => {},
    };
    const to = fixedTensor(type, layout, [rows, cols]);
    await packRows(engine.memories[0]!, to, files, info, 0, () => {});
    const start = engine.address(to.storage);
    hash.update(type).update(engine.bytes.slice(start, start + to.storage.bytes));
    engine.release(to.storage);
  }
  const layouts = { version: PACKED_VERSION, digest: hash.digest('hex').slice(0, 16) };
  assert.deepEqual(
    layouts,
    { version: 1, digest: 'd98a7c3e443d611c' },
    'layouts have changed: raise PACKED_VERSION in src/graph/packed.ts, then set the digest here',
  );
});
