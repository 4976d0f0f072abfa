// One HTTP resource read in ranges: retries, resumption where a connection broke, and refusal of what is not the file that was opened.

import { FormatError, InputError, UnsupportedError } from '../errors.ts';

export interface HttpOptions {
  /** Sent to the URL's own origin only: a redirect to another one does not see them. */
  readonly headers?: Readonly<Record<string, string>>;
  readonly signal?: AbortSignal;
  /** Attempts in a row that may bring nothing before an error is thrown; default 5. */
  readonly retries?: number;
  /** Milliseconds before the first retry; each further one waits twice as long, at most 8 s. Default 250. */
  readonly backoffMs?: number;
  /** Milliseconds without a byte after which a connection counts as broken; default 60000. */
  readonly stallMs?: number;
  /** Default: the global one. */
  readonly fetch?: typeof fetch;
}

/** What tells one state of a resource from another. */
export interface HttpIdentity {
  /** null where the server does not say. */
  readonly size: number | null;
  readonly etag: string | null;
  readonly lastModified: string | null;
}

/** Bytes of the resource from position `at` on. */
export interface HttpPiece {
  readonly at: number;
  readonly bytes: Uint8Array;
}

export interface HttpFile {
  /** For messages: the URL without query, user name and password. */
  readonly name: string;
  /** Known once a first response has come. */
  identity(): HttpIdentity | null;
  /** Whether the server gives ranges; known with the identity. */
  hasRanges(): boolean;
  /**
   * The bytes of `from..to` in order (to the end where `to` is null), over as many connections as it takes. With `restart`, a resource that
   * has changed since, or a server without ranges, begins again at position 0 instead of throwing.
   * @throws InputError (no such file, no access, network down), FormatError `format` (a web page), `changed`, `truncated`; UnsupportedError (no
   *   ranges); the signal's reason when it aborts
   */
  read(from: number, to: number | null, restart?: boolean): AsyncGenerator<HttpPiece>;
}

const MAX_WAIT_MS = 8000;
/** A server may ask for more patience than ours, up to this. */
const MAX_RETRY_AFTER_MS = 60_000;
const AGAIN = new Set([408, 425, 429, 500, 502, 503, 504]);

/** A failure that another attempt may mend. */
class Broken extends InputError {
  readonly waitMs: number;
  /** What was read so far is of another state of the file. */
  readonly rewind: boolean;
  constructor(message: string, options: ErrorOptions & { waitMs?: number; rewind?: boolean } = {}) {
    super(message, options);
    this.waitMs = options.waitMs ?? 0;
    this.rewind = options.rewind ?? false;
  }
}

/** The name of a URL in messages and records: without query, user name and password, which may be secrets. */
export function urlName(url: URL): string {
  return url.protocol === 'data:' ? 'data:' : `${url.protocol}//${url.host}${url.pathname}`;
}

/**
 * Nothing is asked yet. `known`: what an earlier run saw of the resource; another state of it then counts as a change.
 * @throws InputError where the URL is not http or https
 */
export function httpFile(address: string | URL, options: HttpOptions = {}, known: HttpIdentity | null = null): HttpFile {
  const url = parsed(address);
  const name = urlName(url);
  const { signal, retries = 5, backoffMs = 250, stallMs = 60_000 } = options;
  let identity = known;
  let ranges = true;
  // Hubs redirect to a store; its address is kept while it works.
  let target = url;

  /** One request for `from..to`; the response, and where its body begins. */
  async function ask(
    from: number,
    to: number | null,
    restart: boolean,
    connection: AbortController,
  ): Promise<{ response: Response; at: number }> {
    const headers = new Headers(target.origin === url.origin ? options.headers : {});
    headers.set('accept-encoding', 'identity');
    headers.set('range', `bytes=${from}-${to === null ? '' : to - 1}`);
    const validator = identity === null ? null : strong(identity);
    // Without this, the rest of another state of the file would come; with it, all of the other state.
    if (restart && from > 0 && validator !== null) headers.set('if-range', validator);
    let response: Response;
    const timer = setTimeout(() => connection.abort(), stallMs);
    try {
      response = await (options.fetch ?? fetch)(target, { headers, signal: connection.signal, redirect: 'follow' });
    } catch (error) {
      throw new Broken(`${name}: cannot be reached: ${reason(error)}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
    const fail = async (error: Error): Promise<never> => {
      await response.body?.cancel().catch(() => {});
      throw error;
    };
    if (!response.ok) {
      if (target !== url && response.status !== 416) {
        // The store's address was lent for a time: the hub gives another one.
        target = url;
        return fail(new Broken(`${name}: got status ${response.status} from the address that it was redirected to`));
      }
      return fail(refusal(name, response, from));
    }
    if (response.redirected && response.url !== '') target = new URL(response.url);
    if (/^text\/html\b/i.test(response.headers.get('content-type') ?? ''))
      return fail(new FormatError('format', `${name}: is a web page, no file: is the URL right (on the hub: /resolve/, not /blob/)?`));
    const encoding = response.headers.get('content-encoding') ?? 'identity';
    if (encoding !== 'identity')
      return fail(new UnsupportedError(`${name}: comes compressed (${encoding}): a server that sends the file as it is is expected`));

    const partial = response.status === 206;
    const range = partial ? contentRange(response) : { at: 0, size: length(response) };
    if (range === null) {
      return fail(
        new UnsupportedError(
          `${name}: the answer does not say which range it holds: in a browser the server must expose the header Content-Range`,
        ),
      );
    }
    const now: HttpIdentity = {
      size: range.size,
      etag: response.headers.get('etag'),
      lastModified: response.headers.get('last-modified'),
    };
    if (identity !== null && !same(identity, now)) {
      if (!restart) return fail(new FormatError('changed', `${name}: has changed while it was read: open it again`));
      identity = null;
      if (partial && from > 0) return fail(new Broken(`${name}: has changed`, { rewind: true }));
    }
    if (range.at !== from && partial)
      return fail(new FormatError('structure', `${name}: the server sent bytes from ${range.at} on, asked for ${from}`));
    ranges = partial;
    if (!partial && from > 0 && !restart) return fail(noRanges(name));
    identity = now;
    return { response, at: range.at };
  }

  async function* read(from: number, to: number | null, restart = false): AsyncGenerator<HttpPiece> {
    const limit = (): number => Math.min(to ?? Infinity, identity?.size ?? Infinity);
    let at = from;
    let furthest = from;
    for (let failures = 0; at < limit(); ) {
      signal?.throwIfAborted();
      const connection = new AbortController();
      const stop = (): void => connection.abort(signal?.reason);
      signal?.addEventListener('abort', stop);
      try {
        const got = await ask(at, to, restart, connection);
        at = got.at;
        for await (const bytes of chunks(got.response, connection, stallMs, name)) {
          const piece = bytes.subarray(0, Math.max(0, limit() - at));
          if (piece.length > 0) yield { at, bytes: piece };
          at += piece.length;
          if (piece.length < bytes.length) return;
          // A server without ranges begins again each time: only what is new is progress.
          if (at > furthest) failures = 0;
          furthest = Math.max(furthest, at);
        }
        if (limit() === Infinity) return;
        if (at < limit()) throw new Broken(`${name}: the connection ended at byte ${at} of ${limit()}`);
      } catch (error) {
        signal?.throwIfAborted();
        if (!(error instanceof Broken)) throw error;
        if (error.rewind) at = 0;
        if (failures++ >= retries) throw new InputError(`${error.message} (${failures} attempts)`, { cause: error.cause ?? error });
        const wait = Math.min(MAX_WAIT_MS, backoffMs * 2 ** (failures - 1)) * (0.75 + Math.random() / 2);
        await pause(Math.max(error.waitMs, wait), signal);
      } finally {
        signal?.removeEventListener('abort', stop);
        // Also when the reader of this generator leaves early.
        connection.abort();
      }
    }
  }

  return { name, identity: () => identity, hasRanges: () => ranges, read };
}

function parsed(address: string | URL): URL {
  let url: URL;
  try {
    url = new URL(address);
  } catch (error) {
    throw new InputError(`${String(address)}: is not a URL`, { cause: error });
  }
  if (url.protocol !== 'http:' && url.protocol !== 'https:') throw new InputError(`${urlName(url)}: http: or https: is expected`);
  return url;
}

/** The body's pieces; a pause of `stallMs` ends the connection. */
async function* chunks(response: Response, connection: AbortController, stallMs: number, name: string): AsyncGenerator<Uint8Array> {
  if (response.body === null) return;
  const reader = response.body.getReader();
  for (;;) {
    const timer = setTimeout(() => connection.abort(), stallMs);
    let result: Awaited<ReturnType<typeof reader.read>>;
    try {
      result = await reader.read();
    } catch (error) {
      throw new Broken(`${name}: the connection broke: ${reason(error)}`, { cause: error });
    } finally {
      clearTimeout(timer);
    }
    if (result.done) return;
    if (result.value.length > 0) yield result.value;
  }
}

/** The error for a status that is not a success. */
function refusal(name: string, response: Response, from: number): InputError {
  const { status } = response;
  if (status === 404 || status === 410) return new InputError(`${name}: there is no such file on the server (status ${status})`);
  if (status === 401 || status === 403)
    return new InputError(
      `${name}: the server refuses access (status ${status}): a token may be needed, or the model's licence must be accepted`,
    );
  if (status === 416)
    return new InputError(`${name}: the server has no bytes from ${from} on (status 416): the file is empty or shorter than before`);
  const message = `${name}: the server answered with status ${status}`;
  if (!AGAIN.has(status)) return new InputError(message);
  const after = Number(response.headers.get('retry-after'));
  return new Broken(message, { waitMs: Number.isFinite(after) ? Math.min(after * 1000, MAX_RETRY_AFTER_MS) : 0 });
}

/** The error for a server that only sends whole files. */
export function noRanges(name: string): UnsupportedError {
  return new UnsupportedError(`${name}: the server does not send parts of files: download the file and open it from disk`);
}

function contentRange(response: Response): { at: number; size: number | null } | null {
  const [, at, size] = /^bytes (\d+)-\d+\/(\d+|\*)$/.exec(response.headers.get('content-range') ?? '') ?? [];
  return at === undefined ? null : { at: Number(at), size: size === '*' ? null : Number(size) };
}

function length(response: Response): number | null {
  const text = response.headers.get('content-length');
  return text !== null && /^\d+$/.test(text) ? Number(text) : null;
}

/** Whether two answers can be of one state. What one of them does not say counts as equal. */
function same(a: HttpIdentity, b: HttpIdentity): boolean {
  const agree = (x: unknown, y: unknown): boolean => x === null || y === null || x === y;
  if (!agree(a.size, b.size) || !agree(a.etag, b.etag)) return false;
  return (a.etag !== null && b.etag !== null) || agree(a.lastModified, b.lastModified);
}

/** What If-Range may hold: a strong ETag, or a date. null: nothing proves that two parts belong together. */
export function strong(identity: HttpIdentity): string | null {
  if (identity.etag !== null && !identity.etag.startsWith('W/')) return identity.etag;
  return identity.lastModified;
}

/** What a failed fetch has to say; undici hides it in the cause. */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  return error.cause instanceof Error && error.cause.message !== '' ? error.cause.message : error.message;
}

function pause(ms: number, signal: AbortSignal | undefined): Promise<void> {
  return new Promise((resolve, reject) => {
    const abort = (): void => {
      clearTimeout(timer);
      reject(signal?.reason);
    };
    const timer = setTimeout(() => {
      signal?.removeEventListener('abort', abort);
      resolve();
    }, ms);
    signal?.addEventListener('abort', abort, { once: true });
  });
}
