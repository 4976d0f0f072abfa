// Downloads kept on disk: one folder per URL, named by the SHA-256 of the URL.
//
//   <cache>/urls/<sha256 of the URL>/data          the whole file, never anything less
//                                    meta.json     its URL, size, SHA-256, and what the server said of it
//                                    data.partial  a download that has not ended, and
//                                    partial.json  the state of the file that it is a part of
//                                    lock          held by the process that downloads
//
// A download ends in two renames, meta.json first: `data` without a meta.json that fits it is taken for nothing.

import { createHash, type Hash } from 'node:crypto';
import { createReadStream } from 'node:fs';
import { type FileHandle, mkdir, open, readFile, rename, rm, stat, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { FormatError, InputError, PumiceError } from '../errors.ts';
import { type HttpIdentity, type HttpOptions, httpFile, strong, urlName } from '../formats/http.ts';
import type { SourcePlatform } from '../formats/openSource.ts';
import type { ByteSource } from '../formats/source.ts';
import { type FileLock, lockFile } from './fileLock.ts';
import { fileSource } from './nodeFiles.ts';

export interface CacheOptions extends HttpOptions {
  /** Default: `cacheDirectory()`. */
  readonly directory?: string;
  /** Nothing is asked of the network: what is not in the cache is an error. */
  readonly offline?: boolean;
  /** Downloads again, whatever the cache has. */
  readonly refresh?: boolean;
  /** Reads the whole cached file to compare its SHA-256; by default that is done only where its time of change is not the recorded one. */
  readonly verify?: boolean;
  /** The SHA-256 that the file must have, in hexadecimal. */
  readonly sha256?: string;
  /** Called as bytes come; `total` is null where the server does not say. */
  readonly onProgress?: (done: number, total: number | null) => void;
}

interface Meta extends HttpIdentity {
  readonly url: string;
  readonly size: number;
  readonly sha256: string;
  /** Time of the last change of `data`. */
  readonly mtimeMs: number;
}

/** Where downloads are kept: $PUMICE_CACHE, or a folder of ours in the system's place for caches. */
export function cacheDirectory(
  env: Readonly<Record<string, string | undefined>> = process.env,
  system: string = process.platform,
  home: string = homedir(),
): string {
  if (env.PUMICE_CACHE) return env.PUMICE_CACHE;
  if (system === 'win32') return join(env.LOCALAPPDATA || join(home, 'AppData', 'Local'), 'pumice', 'Cache');
  if (system === 'darwin') return join(home, 'Library', 'Caches', 'pumice');
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'pumice');
}

/**
 * The path of the file at a URL, after downloading it where the cache does not have it. A download that broke off, in this process or another, goes
 * on where it stopped if the server's file is still the same. Processes that want the same file wait for the one that downloads it.
 * @throws InputError (not in the cache and `offline`, no such file, disk full, ...), FormatError `checksum`, and what httpFile throws
 */
export async function cachedFile(address: string | URL, options: CacheOptions = {}): Promise<string> {
  const file = httpFile(address, options);
  const url = new URL(address);
  url.hash = '';
  const place = join(options.directory ?? cacheDirectory(), 'urls', createHash('sha256').update(url.href).digest('hex'));
  return attempt(place, async () => {
    if (options.refresh !== true && (await isWhole(place, options))) return join(place, 'data');
    if (options.offline === true)
      throw new InputError(`${file.name}: is not in the cache (${place}), and nothing is downloaded offline: run once without it`);
    await mkdir(place, { recursive: true });
    const lock = await lockFile(join(place, 'lock'), options.signal);
    try {
      // Another process may have brought it while this one waited.
      if (options.refresh === true || !(await isWhole(place, options))) await download(url, place, options, lock);
      return join(place, 'data');
    } finally {
      await lock.release();
    }
  });
}

/** The file at a URL as a source, by way of the cache. */
export async function cachedSource(address: string | URL, options: CacheOptions = {}): Promise<ByteSource> {
  return { ...fileSource(await cachedFile(address, options)), name: urlName(new URL(address)) };
}

/** What openSource needs on Node: local files, and URLs by way of the cache. */
export function nodeSources(options: CacheOptions = {}): SourcePlatform {
  return {
    file: (path) => fileSource(typeof path === 'string' ? path : fileURLToPath(path)),
    url: (url) => cachedSource(url, options),
  };
}

/** Whether `data` is there as it was downloaded. */
async function isWhole(place: string, { sha256, verify }: CacheOptions): Promise<boolean> {
  const meta = await readJson<Meta>(join(place, 'meta.json'));
  const data = await stat(join(place, 'data')).catch(() => null);
  if (meta === null || data === null || !data.isFile() || data.size !== meta.size) return false;
  if (sha256 !== undefined && meta.sha256 !== sha256.toLowerCase()) return false;
  if (data.mtimeMs === meta.mtimeMs && verify !== true) return true;
  const hash = createHash('sha256');
  await hashInto(hash, join(place, 'data'));
  if (hash.digest('hex') !== meta.sha256) return false;
  if (data.mtimeMs !== meta.mtimeMs) await writeJson(join(place, 'meta.json'), { ...meta, mtimeMs: data.mtimeMs });
  return true;
}

async function download(url: URL, place: string, options: CacheOptions, lock: FileLock): Promise<void> {
  const partial = join(place, 'data.partial');
  const state = join(place, 'partial.json');
  const known = await readJson<HttpIdentity>(state);
  const before = await stat(partial).catch(() => null);
  // Without a proof that both parts are of one state of the file, it is begun anew.
  const resumed = known !== null && before !== null && strong(known) !== null && before.size <= (known.size ?? Infinity);
  const file = httpFile(url, options, resumed ? known : null);
  const handle = await open(partial, resumed ? 'r+' : 'w');
  let meta: Omit<Meta, 'mtimeMs'>;
  try {
    let at = resumed ? before.size : 0;
    let hash = createHash('sha256');
    if (at > 0) await hashInto(hash, partial);
    let written: HttpIdentity | null = resumed ? known : null;
    for await (const piece of file.read(at, null, true)) {
      if (piece.at !== at) {
        await handle.truncate(0);
        hash = createHash('sha256');
        at = piece.at;
      }
      const now = file.identity();
      if (now !== null && now !== written) {
        await writeJson(state, now);
        written = now;
      }
      await writeAll(handle, piece.bytes, at);
      hash.update(piece.bytes);
      at += piece.bytes.length;
      options.onProgress?.(at, now?.size ?? null);
    }
    const sha256 = hash.digest('hex');
    if (options.sha256 !== undefined && options.sha256.toLowerCase() !== sha256) {
      await rm(state, { force: true });
      throw new FormatError('checksum', `${file.name}: got a file with SHA-256 ${sha256}: ${options.sha256} is expected`);
    }
    await handle.sync();
    const { etag = null, lastModified = null } = file.identity() ?? {};
    meta = { url: file.name, size: at, sha256, etag, lastModified };
  } finally {
    await handle.close();
  }
  await lock.check();
  // Asked after closing: some systems set the time only then. Renaming keeps it.
  await writeJson(join(place, 'meta.json'), { ...meta, mtimeMs: (await stat(partial)).mtimeMs });
  await rename(partial, join(place, 'data'));
  await rm(state, { force: true });
}

async function writeAll(handle: FileHandle, bytes: Uint8Array, position: number): Promise<void> {
  for (let done = 0; done < bytes.length; ) done += (await handle.write(bytes, done, bytes.length - done, position + done)).bytesWritten;
}

async function hashInto(hash: Hash, path: string): Promise<void> {
  for await (const chunk of createReadStream(path, { highWaterMark: 1024 * 1024 })) hash.update(chunk as Uint8Array);
}

/** null for a file that is missing or broken: then it says nothing. */
async function readJson<T extends object>(path: string): Promise<T | null> {
  try {
    const value: unknown = JSON.parse(await readFile(path, 'utf8'));
    return typeof value === 'object' && value !== null ? (value as T) : null;
  } catch {
    return null;
  }
}

/** Writes a file whole or not at all. */
async function writeJson(path: string, value: object): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, `${JSON.stringify(value, null, 1)}\n`);
  await rename(temporary, path);
}

/** Turns what the file system throws into an InputError that says what to do. */
async function attempt<T>(place: string, action: () => Promise<T>): Promise<T> {
  try {
    return await action();
  } catch (error) {
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (error instanceof PumiceError || code === undefined || syscall === undefined) throw error;
    if (code === 'ENOSPC')
      throw new InputError(`${place}: the disk is full: make room and try again; what is there already is kept`, { cause: error });
    throw new InputError(`${place}: cannot be used as cache (${code}): set PUMICE_CACHE to a folder that can be written`, { cause: error });
  }
}
