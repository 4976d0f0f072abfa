import assert from 'node:assert/strict';
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { FormatError, InputError } from '../../src/errors.ts';
import { fileSource, folderAndFile, localFolder } from '../../src/runtime/nodeFiles.ts';

const dir = mkdtempSync(join(tmpdir(), 'files-'));
test.after(() => rmSync(dir, { recursive: true }));

test('a file of several pieces goes into shared memory', async () => {
  const size = 40 * 1024 * 1024 + 3;
  const bytes = new Uint8Array(size);
  for (let i = 0; i < size; i += 1021) bytes[i] = i;
  writeFileSync(join(dir, 'big'), bytes);
  const source = fileSource(join(dir, 'big'));
  assert.equal(source.size, size);
  const memory = new WebAssembly.Memory({ initial: 1024, maximum: 1024, shared: true });
  const target = new Uint8Array(memory.buffer, 100, size - 5);
  await source.readInto(target, 5);
  assert.equal(Buffer.compare(target, bytes.subarray(5)), 0);
  await assert.rejects(source.readInto(new Uint8Array(4), size - 3), (error) => error instanceof FormatError && error.code === 'truncated');
  await source.close();
  await source.close();
  await assert.rejects(source.readInto(new Uint8Array(1), 0), /the file is closed/);
});

test('errors name the path', async () => {
  const absent = join(dir, 'absent.gguf');
  assert.throws(
    () => fileSource(absent),
    (error) => error instanceof InputError && error.message === `${absent}: cannot be read: there is no such file or folder`,
  );
  assert.throws(() => fileSource(dir), /it is a folder, a file is expected/);
  writeFileSync(join(dir, 'plain'), 'x');
  assert.throws(() => localFolder(join(dir, 'plain')), /it is a file, a folder is expected/);
  assert.throws(() => localFolder(join(dir, 'nowhere')), InputError);
});

test('a folder lists files, opens plain names only, and knows its neighbours', async () => {
  const home = join(dir, 'home');
  mkdirSync(join(home, 'sub'), { recursive: true });
  writeFileSync(join(home, 'a'), 'A');
  writeFileSync(join(dir, 'outside'), 'O');
  const folder = localFolder(home);
  assert.deepEqual(await folder.list(), ['a']);
  const source = await folder.open('a');
  assert.equal(source.size, 1);
  await source.close();
  for (const name of ['../outside', '..', '', 'sub/x', 'a\\b', 'a\0'])
    await assert.rejects(folder.open(name), /a plain file name is expected/);
  await assert.rejects(folder.open('b'), InputError);
  assert.equal((await folder.folder('sub'))?.name, join(home, 'sub'));
  assert.equal((await folder.folder('../home'))?.name, home);
  assert.equal(await folder.folder('none'), null);
  assert.equal(await folder.folder('a'), null);
  assert.equal(folderAndFile(join(home, 'a')).file, 'a');
});
