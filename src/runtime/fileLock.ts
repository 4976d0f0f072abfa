// A lock file that one process at a time holds. A holder that died, or has not shown life for a while, loses it.

import { randomUUID } from 'node:crypto';
import { readFile, rm, stat, utimes, writeFile } from 'node:fs/promises';
import { hostname } from 'node:os';
import { setTimeout as sleep } from 'node:timers/promises';
import { InputError } from '../errors.ts';

/** A holder shows life this often. */
const BEAT_MS = 5000;
/** Six missed beats: the process hangs, or runs on another machine that is gone. */
const STALE_MS = 30_000;
const POLL_MS = 100;
/** Removing a stale lock takes a moment. */
const TAKEOVER_MS = 10_000;

export interface FileLock {
  /** @throws InputError where another process has taken the lock over */
  check(): Promise<void>;
  release(): Promise<void>;
}

interface Holder {
  readonly pid: number;
  readonly host: string;
  readonly token: string;
}

/** Waits for the lock. @throws the signal's reason when it aborts, and what the file system throws */
export async function lockFile(path: string, signal?: AbortSignal): Promise<FileLock> {
  const self: Holder = { pid: process.pid, host: hostname(), token: randomUUID() };
  while (!(await create(path, JSON.stringify(self)))) {
    signal?.throwIfAborted();
    if (!(await removeStale(path))) await sleep(POLL_MS);
  }
  const beat = setInterval(() => {
    const now = new Date();
    // A lock that is gone shows in `check`.
    utimes(path, now, now).catch(() => {});
  }, BEAT_MS);
  beat.unref();
  const isOurs = async (): Promise<boolean> => (await holderOf(path))?.token === self.token;
  return {
    async check() {
      if (!(await isOurs()))
        throw new InputError(`${path}: another process has taken over, since this one stood still for too long: try again`);
    },
    async release() {
      clearInterval(beat);
      if (await isOurs()) await rm(path, { force: true });
    },
  };
}

/** Whether the file was made; false where it is there already. */
async function create(path: string, text: string): Promise<boolean> {
  try {
    await writeFile(path, text, { flag: 'wx' });
    return true;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false;
    throw error;
  }
}

/** null where there is no lock, or its holder has not written into it yet. */
async function holderOf(path: string): Promise<Holder | null> {
  try {
    return JSON.parse(await readFile(path, 'utf8')) as Holder;
  } catch {
    return null;
  }
}

/** Whether there is no lock (any more). */
async function removeStale(path: string): Promise<boolean> {
  const seen = await staleToken(path);
  if (seen === undefined) return false;
  // Only one process may remove, and only the lock that was found stale: another one may have taken its place meanwhile.
  const takeover = `${path}.takeover`;
  if (!(await create(takeover, ''))) {
    const made = await stat(takeover).catch(() => null);
    if (made !== null && Date.now() - made.mtimeMs > TAKEOVER_MS) await rm(takeover, { force: true });
    return false;
  }
  try {
    if ((await staleToken(path)) === seen) await rm(path, { force: true });
    return true;
  } finally {
    await rm(takeover, { force: true });
  }
}

/** The token of a lock that nobody holds any more (null: it was never written), undefined where it is held or there is none. */
async function staleToken(path: string): Promise<string | null | undefined> {
  const made = await stat(path).catch(() => null);
  if (made === null) return undefined;
  const holder = await holderOf(path);
  const silent = Date.now() - made.mtimeMs > STALE_MS;
  const dead = holder !== null && holder.host === hostname() && !isAlive(holder.pid);
  return silent || dead ? (holder?.token ?? null) : undefined;
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return true;
  } catch (error) {
    // EPERM: it is another user's.
    return (error as NodeJS.ErrnoException).code === 'EPERM';
  }
}
