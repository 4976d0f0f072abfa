import assert from 'node:assert/strict';
import { readdirSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { test } from 'node:test';
import { InputError, PumiceError } from '../../src/errors.ts';
import { isKind, type PickleHost, runPickle } from '../../src/formats/pickle.ts';
import { type ByteSource, bufferSource } from '../../src/formats/source.ts';
import { openTorchBin } from '../../src/formats/torchBin.ts';
import { fixture } from '../fixtures.ts';

const root = fixture('formats/torch-bin');
const bin = (name: string): Uint8Array => new Uint8Array(readFileSync(join(root, name, 'pytorch_model.bin')));

const code = (wanted: string, message: RegExp) => (error: unknown) => {
  assert.ok(error instanceof PumiceError, String(error));
  assert.equal(error.code, wanted, String(error));
  assert.match(error.message, message);
  return true;
};

const refuse = (): never => {
  throw new PumiceError('global', 'refused');
};
const plain: PickleHost = { global: refuse, persistent: refuse, call: refuse, build: refuse };
const run = (...bytes: number[]): unknown => runPickle(new Uint8Array(bytes), 0, plain, 'p').value;

test('the machine: numbers, text, containers', () => {
  assert.equal(run(0x80, 2, 0x4a, 0xfe, 0xff, 0xff, 0xff, 0x2e), -2);
  assert.equal(run(0x4d, 1, 2, 0x2e), 0x201);
  assert.equal(run(0x8a, 0, 0x2e), 0);
  assert.equal(run(0x8a, 2, 0, 0x80, 0x2e), -32768);
  assert.equal(run(0x8a, 9, 0, 0, 0, 0, 0, 0, 0, 0, 1, 0x2e), 2n ** 64n);
  assert.equal(run(0x47, 0x40, 0x09, 0x21, 0xfb, 0x54, 0x44, 0x2d, 0x18, 0x2e), Math.PI);
  assert.equal(run(0x55, 2, 0x41, 0xe9, 0x2e), 'A\u00e9');
  assert.equal(run(0x8c, 2, 0xc3, 0xa9, 0x2e), '\u00e9');
  const set = runPickle(new Uint8Array([0x8f, 0x94, 0x28, 0x4b, 1, 0x90, 0x30, 0x68, 0, 0x2e]), 0, plain, 'p').value;
  assert.ok(isKind(set, 'set'));
  const dict = runPickle(new Uint8Array([0x7d, 0x28, 0x4b, 7, 0x88, 0x8c, 1, 0x37, 0x4e, 0x75, 0x2e]), 0, plain, 'p').value;
  assert.ok(isKind(dict, 'dict'));
  assert.deepEqual(
    [...dict.entries],
    [
      [7, true],
      ['7', null],
    ],
  );
});

test('the machine: what it refuses', () => {
  assert.throws(() => run(0x28, 0x2e), code('structure', /empty stack/));
  assert.throws(() => run(0x4b, 1, 0x28, 0x86, 0x2e), code('structure', /2 values are wanted/));
  assert.throws(() => run(0x4b, 1, 0x74, 0x2e), code('structure', /no mark/));
  assert.throws(() => run(0x5d, 0x4b, 1, 0x4b, 2, 0x73, 0x2e), code('structure', /no dict/));
  assert.throws(() => run(0x7d, 0x29, 0x4b, 2, 0x73, 0x2e), code('structure', /the key of a dict/));
  assert.throws(() => run(0x7d, 0x28, 0x4b, 1, 0x75, 0x2e), code('structure', /no dict/));
  assert.throws(() => run(0x8c, 1, 0xff, 0x2e), code('structure', /UTF-8/));
  assert.throws(() => run(0x32, 0x2e), code('opcode', /0x32/));
  assert.throws(() => run(0x6a, 0xff, 0xff, 0xff, 0xff, 0x2e), code('structure', /nothing is remembered/));
  assert.throws(() => runPickle(new Uint8Array(3_000_000).fill(0x29), 0, plain, 'p'), code('limit', /on the stack/));
  const idle = new Uint8Array(10_000_000);
  for (let i = 0; i < idle.length; i += 2) idle.set([0x4e, 0x30], i);
  assert.throws(() => runPickle(idle, 0, plain, 'p'), code('limit', /steps/));
});

/** Counts what is read of a source. */
function counted(bytes: Uint8Array): ByteSource & { ranges: () => number[][]; closed: () => number } {
  const ranges: number[][] = [];
  let closed = 0;
  const inner = bufferSource(bytes, 'm.bin');
  return {
    ...inner,
    async readInto(target, position) {
      ranges.push([position, position + target.byteLength]);
      await inner.readInto(target, position);
    },
    async close() {
      closed++;
    },
    ranges: () => ranges,
    closed: () => closed,
  };
}

test('opening reads the pickle alone; a tensor reads its own range, after its zip header once', async () => {
  const source = counted(bin('zip-basic'));
  const file = await openTorchBin(source);
  const opened = source.ranges().length;
  const info = file.tensors.get('a.weight')!;
  await file.readInto(info, new Uint8Array(8), 16);
  await file.readInto(info, new Uint8Array(8), 24);
  const [header, first, second, ...rest] = source.ranges().slice(opened);
  assert.equal(rest.length, 0);
  assert.equal(header![1]! - header![0]!, 30);
  assert.equal((first![0]! - 16) % 64, 0);
  assert.deepEqual(second, [first![0]! + 8, first![1]! + 8]);
  await file.readInto(file.tensors.get('empty')!, new Uint8Array(0));
  await assert.rejects(file.readInto(info, new Uint8Array(49)), InputError);
  await assert.rejects(file.readInto({ ...info, name: 'x' }, new Uint8Array(1)), /there is no tensor x/);
  await file.close();
  assert.equal(source.closed(), 1);
});

test('a strided tensor is fetched once for many pieces', async () => {
  const source = counted(bin('zip-views'));
  const file = await openTorchBin(source);
  const info = file.tensors.get('t')!;
  const before = source.ranges().length;
  const bytes = new Uint8Array(info.bytes);
  for (let at = 0; at < info.bytes; at += 5) await file.readInto(info, bytes.subarray(at, Math.min(at + 5, info.bytes)), at);
  assert.equal(source.ranges().length - before, 2);
  const base = new Float32Array(48);
  await file.readInto(file.tensors.get('base')!, new Uint8Array(base.buffer));
  const t = new Float32Array(bytes.buffer);
  for (let r = 0; r < 8; r++) for (let c = 0; c < 6; c++) assert.equal(t[r * 6 + c], base[c * 8 + r]);
  await file.close();
});

test('a length in a legacy file that is not the one of its pickle', async () => {
  const bytes = bin('legacy-basic');
  const good = await openTorchBin(bufferSource(bytes));
  const places: number[] = [];
  const spy = counted(bytes);
  const file = await openTorchBin(spy);
  const info = [...file.tensors.values()].find((one) => one.bytes > 8)!;
  await file.readInto(info, new Uint8Array(info.bytes));
  places.push(spy.ranges().at(-2)![0]!);
  const broken = bytes.slice();
  broken[places[0]!]! ^= 1;
  const other = await openTorchBin(bufferSource(broken, 'm.bin'));
  await assert.rejects(other.readInto(info, new Uint8Array(info.bytes)), code('structure', /values: \d+ are expected/));
  await good.close();
});

test('files damaged in any byte are read or refused with a typed error, never larger than they say', async () => {
  // A fixed sequence, so that a failure comes again.
  let state = 12345;
  const random = (below: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >>> 8) % below;
  };
  const names = readdirSync(root).filter((name) => /^(zip|legacy)-/.test(name));
  for (const name of names) {
    const bytes = bin(name);
    for (let i = 0; i < 150; i++) {
      const broken = i % 10 === 0 ? bytes.slice(0, random(bytes.length)) : bytes.slice();
      for (let n = 0; n <= i % 3; n++) if (broken.length > 0) broken[random(broken.length)] = random(256);
      try {
        const file = await openTorchBin(bufferSource(broken, name));
        for (const info of file.tensors.values()) {
          if (info.bytes < 2 ** 20) await file.readInto(info, new Uint8Array(info.bytes));
        }
      } catch (error) {
        assert.ok(error instanceof PumiceError, `${name} ${i}: ${error instanceof Error ? error.stack : error}`);
      }
    }
  }
});
