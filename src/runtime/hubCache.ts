// Repositories of a hub in its own cache folder, which other programs share:
//
//   <cache>/models--org--name/refs/main                     the commit that a branch stood at
//                             blobs/<etag>                  files by content: SHA-256, or git's hash of small ones
//                             snapshots/<commit>/<file>     links to blobs
//                             .partial/                     downloads that have not ended
//
// A blob appears by renaming a whole and checked file: nothing that is half there has a name here.

import { createHash } from 'node:crypto';
import { type Stats, statSync } from 'node:fs';
import { copyFile, mkdir, readdir, readFile, rename, rm, symlink, writeFile } from 'node:fs/promises';
import { homedir } from 'node:os';
import { basename, dirname, join, relative } from 'node:path';
import { FormatError, InputError } from '../errors.ts';
import { isObject } from '../formats/json.ts';
import type { Folder } from '../formats/source.ts';
import { chooseFiles, type HubChoice, type HubName } from './hubNames.ts';
import { type CacheOptions, cachedFile } from './nodeCache.ts';
import { localFolder } from './nodeFiles.ts';
import type { Download, Opened } from './platform.ts';

type Env = Readonly<Record<string, string | undefined>>;

export interface HubOptions extends Download, Pick<CacheOptions, 'retries' | 'backoffMs' | 'stallMs'> {
  /** Where the hub's programs keep files; default: `hubDirectory()`. */
  readonly directory?: string;
  /** Default: $PUMICE_HUB, $HF_ENDPOINT, the public hub. */
  readonly endpoint?: string;
  /** Default: $HF_TOKEN. */
  readonly token?: string;
}

/** The hub's cache folder: $HF_HUB_CACHE, $HF_HOME/hub, ~/.cache/huggingface/hub. */
export function hubDirectory(env: Env = process.env, home: string = homedir()): string {
  if (env.HF_HUB_CACHE) return env.HF_HUB_CACHE;
  if (env.HF_HOME) return join(env.HF_HOME, 'hub');
  return join(env.XDG_CACHE_HOME || join(home, '.cache'), 'huggingface', 'hub');
}

/** The hub's address, without a slash at the end. */
export function hubEndpoint(env: Env = process.env): string {
  return (env.PUMICE_HUB || env.HF_ENDPOINT || 'https://huggingface.co').replace(/\/+$/, '');
}

/**
 * Brings what is missing of a model and opens it: a GGUF file with its projector, or a directory. Offline only the cache is looked at.
 * @throws InputError (no such repository, no fitting file, not in the cache and `offline`, ...), FormatError `checksum`, and what httpFile throws
 */
export async function openHub(name: HubName, options: HubOptions = {}): Promise<Opened> {
  const { choice, folder } = await snapshot(name, options, (files) => chooseFiles(name, files));
  const opened = withRepositories(localFolder(folder), options);
  if (choice.kind === 'folder') return { kind: 'folder', folder: opened };
  return {
    kind: 'file',
    source: await opened.open(choice.model),
    folder: opened,
    file: choice.model,
    ...(choice.mmproj === undefined ? {} : { mmproj: choice.mmproj }),
  };
}

/** A folder whose checkpoints may name towers in other repositories. */
function withRepositories(folder: Folder, options: HubOptions): Folder {
  return {
    ...folder,
    async repository(repository) {
      const tower: HubName = { repository, revision: 'main' };
      const { folder: at } = await snapshot(tower, options, (files) => chooseFiles(tower, files));
      return localFolder(at);
    },
  };
}

/** The folder of a snapshot with all chosen files in it. */
async function snapshot(
  name: HubName,
  options: HubOptions,
  choose: (files: readonly string[]) => HubChoice,
): Promise<{ choice: HubChoice; folder: string }> {
  const home = join(options.directory ?? hubDirectory(), `models--${name.repository.replace('/', '--')}`);
  if (options.offline) return cached(name, home, choose);
  const { commit, files } = await listing(name, options);
  const choice = choose(files);
  const folder = join(home, 'snapshots', commit);
  for (const file of choice.files) await bring(name, commit, file, home, folder, options);
  if (commit !== name.revision) {
    const ref = join(home, 'refs', name.revision);
    await mkdir(dirname(ref), { recursive: true });
    await writeFile(`${ref}.${process.pid}.tmp`, commit);
    await rename(`${ref}.${process.pid}.tmp`, ref);
  }
  return { choice, folder };
}

async function cached(
  name: HubName,
  home: string,
  choose: (files: readonly string[]) => HubChoice,
): Promise<{ choice: HubChoice; folder: string }> {
  const commit = await readFile(join(home, 'refs', name.revision), 'utf8').catch(() => name.revision);
  const folder = join(home, 'snapshots', commit.trim());
  const files = await readdir(folder).catch(() => null);
  if (files === null)
    throw new InputError(`${name.repository}: is not in the cache (${home}), and nothing is downloaded offline: run once without it`);
  // Links to blobs that are gone count as missing.
  const whole = files.filter((file) => statOf(join(folder, file)) !== undefined);
  return { choice: choose(whole), folder };
}

const statOf = (path: string): Stats | undefined => statSync(path, { throwIfNoEntry: false });

function headers({ token = process.env.HF_TOKEN }: HubOptions): Record<string, string> {
  return token ? { authorization: `Bearer ${token}` } : {};
}

const endpointOf = (options: HubOptions): string => (options.endpoint ?? hubEndpoint()).replace(/\/+$/, '');

/** Asks for something small, without following redirects: their headers tell what the file is. */
async function ask(url: string, method: 'GET' | 'HEAD', name: HubName, options: HubOptions): Promise<Response> {
  let response: Response;
  try {
    response = await fetch(url, {
      method,
      headers: { ...headers(options), 'accept-encoding': 'identity' },
      redirect: method === 'HEAD' ? 'manual' : 'follow',
      signal: options.signal ?? null,
    });
  } catch (error) {
    options.signal?.throwIfAborted();
    throw new InputError(`${name.repository}: ${new URL(url).origin} cannot be reached: use what is in the cache with --offline`, {
      cause: error,
    });
  }
  if (response.status === 401 || response.status === 403 || response.status === 404) {
    throw new InputError(
      `${name.repository}: there is no such model or revision ${name.revision} at ${new URL(url).origin}, or a token is needed (status ${response.status}): set HF_TOKEN for models behind a licence`,
    );
  }
  if (response.status >= 400) throw new InputError(`${name.repository}: the hub answered with status ${response.status}`);
  return response;
}

/** Commit and files of a revision. */
async function listing(name: HubName, options: HubOptions): Promise<{ commit: string; files: string[] }> {
  const url = `${endpointOf(options)}/api/models/${name.repository}/revision/${encodeURIComponent(name.revision)}`;
  const json: unknown = await (await ask(url, 'GET', name, options)).json().catch(() => null);
  const siblings = isObject(json) && Array.isArray(json.siblings) ? json.siblings : [];
  const files = siblings.flatMap((s: unknown) => (isObject(s) && typeof s.rfilename === 'string' ? [s.rfilename] : []));
  if (!isObject(json) || typeof json.sha !== 'string' || !/^[0-9a-f]{7,64}$/.test(json.sha))
    throw new FormatError('structure', `${name.repository}: the hub's answer names no commit: is ${endpointOf(options)} a hub?`);
  // Names from the network become paths.
  const isPlain = (file: string): boolean =>
    !file.split('/').some((part) => part === '' || part === '.' || part === '..') && !/[\\\0:]/.test(file);
  return { commit: json.sha, files: files.filter(isPlain) };
}

/** Makes a file of a snapshot exist. */
async function bring(name: HubName, commit: string, file: string, home: string, folder: string, options: HubOptions): Promise<void> {
  const target = join(folder, file);
  if (statOf(target) !== undefined) return;
  const url = `${endpointOf(options)}/${name.repository}/resolve/${commit}/${file.split('/').map(encodeURIComponent).join('/')}`;
  const head = await ask(url, 'HEAD', name, options);
  const etag = (head.headers.get('x-linked-etag') ?? head.headers.get('etag') ?? '').replace(/^W\//, '').replaceAll('"', '');
  if (!/^[0-9a-f]{40}([0-9a-f]{24})?$/.test(etag))
    throw new FormatError('structure', `${name.repository}/${file}: the hub does not say which content it has (ETag ${etag || 'missing'})`);
  const blob = join(home, 'blobs', etag);
  if (statOf(blob) === undefined) await download(url, blob, etag, `${name.repository}/${file}`, home, options);
  await mkdir(dirname(target), { recursive: true });
  await link(blob, target);
}

async function download(url: string, blob: string, etag: string, what: string, home: string, options: HubOptions): Promise<void> {
  const { signal, onDownload, retries, backoffMs, stallMs } = options;
  const directory = join(home, '.partial');
  const path = await cachedFile(url, {
    directory,
    headers: headers(options),
    ...(etag.length === 64 ? { sha256: etag } : {}),
    ...(signal === undefined ? {} : { signal }),
    ...(retries === undefined ? {} : { retries }),
    ...(backoffMs === undefined ? {} : { backoffMs }),
    ...(stallMs === undefined ? {} : { stallMs }),
    ...(onDownload === undefined ? {} : { onProgress: (done, total) => onDownload(what, done, total) }),
  });
  if (etag.length === 40) await checkGitHash(path, etag, what);
  await mkdir(dirname(blob), { recursive: true });
  try {
    await rename(path, blob);
  } catch (error) {
    // Another process was faster.
    if (statOf(blob) === undefined) throw new InputError(`${blob}: cannot be written`, { cause: error });
  }
  await rm(dirname(path), { recursive: true, force: true });
}

/** Small files are named by git's hash of them: SHA-1 of "blob", the length and the content. */
async function checkGitHash(path: string, etag: string, what: string): Promise<void> {
  const bytes = await readFile(path);
  const hash = createHash('sha1').update(`blob ${bytes.length}\0`).update(bytes).digest('hex');
  if (hash === etag) return;
  await rm(dirname(path), { recursive: true, force: true });
  throw new FormatError('checksum', `${what}: got a file with the git hash ${hash}: ${etag} is expected`);
}

/** A relative link, or a copy where the system has no links. */
async function link(blob: string, target: string): Promise<void> {
  try {
    await symlink(relative(dirname(target), blob), target);
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    if (code === 'EEXIST') {
      // A link to a blob that is gone, or another process's.
      if (statOf(target) !== undefined) return;
      await rm(target, { force: true });
      return link(blob, target);
    }
    if (code !== 'EPERM' && code !== 'ENOSYS') throw new InputError(`${target}: cannot be written (${code})`, { cause: error });
    const partial = join(dirname(target), `.${basename(target)}.${process.pid}.tmp`);
    await copyFile(blob, partial);
    await rename(partial, target);
  }
}
