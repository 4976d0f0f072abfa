// Local files as byte sources, by Node's positional reads (Deno and Bun have the same module).

import { closeSync, fstatSync, openSync, read, readdirSync, readSync, statSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FormatError, InputError } from '../errors.ts';
import type { ByteSource, Folder } from '../formats/source.ts';

/** One system call never asks for more: some kernels refuse reads of 2 GiB and more, and a smaller piece gains nothing. */
const PIECE = 16 * 1024 * 1024;
/** Longer reads go to the runtime's own threads, so that several may go on at once; for shorter ones the way there costs more. */
const LONG = 2 * 1024 * 1024;

const REASONS: ReadonlyMap<string, string> = new Map([
  ['ENOENT', 'there is no such file or folder'],
  ['EACCES', 'permission denied'],
  ['EPERM', 'permission denied'],
  ['EISDIR', 'it is a folder, a file is expected'],
  ['ENOTDIR', 'it is a file, a folder is expected'],
  ['EMFILE', 'too many files are open'],
]);

/** The path that a `file:` URL stands for; any other text as it is. */
export const localPath = (path: string): string => (/^file:/i.test(path) ? fileURLToPath(path) : path);

/** A whole file. Throws InputError that names it. */
export async function readLocalFile(path: string): Promise<Uint8Array<ArrayBuffer>> {
  try {
    return await readFile(path);
  } catch (error) {
    throw fileError(path, error);
  }
}

/** The InputError for a failed file operation; names the path, keeps the system's error as `cause`. */
function fileError(path: string, error: unknown): InputError {
  const code = (error as { code?: unknown } | null)?.code;
  const reason = typeof code === 'string' ? (REASONS.get(code) ?? code) : String(error);
  return new InputError(`${path}: cannot be read: ${reason}`, { cause: error });
}

function attempt<T>(path: string, action: () => T): T {
  try {
    return action();
  } catch (error) {
    throw error instanceof InputError ? error : fileError(path, error);
  }
}

const longRead = (path: string, handle: number, target: Uint8Array, position: number): Promise<number> =>
  new Promise((resolve, reject) => {
    read(handle, target, 0, target.byteLength, position, (error, got) => (error ? reject(fileError(path, error)) : resolve(got)));
  });

/**
 * Opens a local file for reads by range. The bytes go straight into the caller's view, which may lie over shared memory.
 * @throws InputError where the path cannot be opened or is not a file; the message names the path.
 */
export function fileSource(path: string): ByteSource {
  let handle: number | null = attempt(path, () => openSync(path, 'r'));
  const close = (): void => {
    if (handle !== null) closeSync(handle);
    handle = null;
  };
  let size: number;
  try {
    const stat = attempt(path, () => fstatSync(handle!));
    if (!stat.isFile())
      throw new InputError(`${path}: cannot be read: it is ${stat.isDirectory() ? 'a folder' : 'not a regular file'}, a file is expected`);
    size = stat.size;
  } catch (error) {
    close();
    throw error;
  }
  return {
    name: path,
    size,
    async readInto(target, position) {
      if (handle === null) throw new InputError(`${path}: cannot be read: the file is closed`);
      if (position + target.byteLength > size) {
        throw new FormatError('truncated', `${path}: ends at byte ${size}: wanted ${target.byteLength} bytes at ${position}`);
      }
      for (let done = 0; done < target.byteLength; ) {
        const length = Math.min(PIECE, target.byteLength - done);
        const open = handle;
        const got =
          length > LONG
            ? await longRead(path, open, target.subarray(done, done + length), position + done)
            : attempt(path, () => readSync(open, target, done, length, position + done));
        // The file has shrunk since it was opened.
        if (got === 0)
          throw new FormatError('truncated', `${path}: ends at byte ${position + done}: wanted ${target.byteLength} bytes at ${position}`);
        done += got;
      }
    },
    async close() {
      close();
    },
  };
}

/**
 * A local folder. Files are opened by plain names only, so that a name out of a downloaded index cannot leave the folder.
 * @throws InputError where the path is not a folder.
 */
export function localFolder(path: string): Folder {
  if (!attempt(path, () => statSync(path)).isDirectory())
    throw new InputError(`${path}: cannot be read: it is a file, a folder is expected`);
  return {
    name: path,
    async list() {
      const entries = attempt(path, () => readdirSync(path, { withFileTypes: true }));
      // Hub caches hold symbolic links to the files.
      return entries.filter((entry) => entry.isFile() || entry.isSymbolicLink()).map((entry) => entry.name);
    },
    async open(file) {
      if (file === '' || file === '.' || file === '..' || /[/\\\0]/.test(file)) {
        throw new InputError(`${path}: cannot open ${JSON.stringify(file)}: a plain file name is expected`);
      }
      return fileSource(join(path, file));
    },
    async folder(child) {
      const target = join(path, child);
      const stat = attempt(target, () => statSync(target, { throwIfNoEntry: false }));
      return stat?.isDirectory() ? localFolder(target) : null;
    },
  };
}

/** Splits a path into its folder and its plain file name: what the readers of files in several parts take. */
export function folderAndFile(path: string): { folder: Folder; file: string } {
  return { folder: localFolder(dirname(path)), file: basename(path) };
}
