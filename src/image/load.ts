// From whatever a caller has to RGB: bytes, a Blob, a URL, a data: URI, a path where the platform reads files, or pixels as they are.

import { InputError } from '../errors.ts';
import { type DecodeOptions, decodeImage } from './decode.ts';
import { checkImage, type RgbImage } from './image.ts';

export type ImageInput = Uint8Array | ArrayBuffer | Blob | string | URL | RgbImage;

export interface LoadOptions extends DecodeOptions {
  /** Reads a local file; without it paths are refused (browsers, edge functions, servers that get requests from outside). */
  readonly readFile?: (path: string) => Promise<Uint8Array>;
  /** Replaces the global fetch; null refuses URLs. */
  readonly fetch?: typeof fetch | null;
  /** Downloads of more bytes are refused. Default 256 MiB. */
  readonly maxBytes?: number;
  readonly signal?: AbortSignal;
}

/** Loads and decodes one picture. */
export async function loadImage(input: ImageInput, options: LoadOptions = {}): Promise<RgbImage> {
  if (isPixels(input)) {
    checkImage(options.name ?? 'image', input, options.maxPixels);
    return input;
  }
  const { bytes, name } = await bytesOf(input, options);
  return decodeImage(bytes, { ...options, name: options.name ?? name });
}

const isPixels = (input: ImageInput): input is RgbImage =>
  typeof input === 'object' &&
  input !== null &&
  'width' in input &&
  'height' in input &&
  'data' in input &&
  (input as RgbImage).data instanceof Uint8Array;

async function bytesOf(input: Exclude<ImageInput, RgbImage>, options: LoadOptions): Promise<{ bytes: Uint8Array; name: string }> {
  if (input instanceof Uint8Array) return { bytes: input, name: 'image' };
  if (input instanceof ArrayBuffer) return { bytes: new Uint8Array(input), name: 'image' };
  if (input instanceof Blob) {
    const name = 'name' in input && typeof input.name === 'string' ? input.name : 'image';
    return { bytes: new Uint8Array(await input.arrayBuffer()), name };
  }
  const text = input instanceof URL ? input.href : input;
  if (typeof text !== 'string')
    throw new InputError(`image: cannot be loaded: got ${typeof input}, bytes, a Blob, a URL, a path or pixels are expected`);
  if (/^(https?|data|blob):/i.test(text)) {
    const name = /^data:/i.test(text) ? 'data: URI' : text;
    return { bytes: await download(text, name, options), name };
  }
  return { bytes: await readLocal(text, options), name: text };
}

async function readLocal(path: string, { readFile }: LoadOptions): Promise<Uint8Array> {
  if (!readFile) throw new InputError(`${path}: local files are not read here: send the bytes, a URL or a data: URI`);
  try {
    return await readFile(path);
  } catch (e) {
    if (e instanceof InputError) throw e;
    throw new InputError(`${path}: cannot be read: ${(e as Error).message}`, { cause: e });
  }
}

async function download(url: string, name: string, options: LoadOptions): Promise<Uint8Array> {
  const { fetch: get = globalThis.fetch, maxBytes = 2 ** 28, signal } = options;
  if (!get) throw new InputError(`${name}: URLs are not fetched here: send the bytes`);
  try {
    const response = await get(url, signal ? { signal } : {});
    if (!response.ok) throw new InputError(`${name}: cannot be fetched: the server answers ${response.status} ${response.statusText}`);
    return await collect(response, name, maxBytes);
  } catch (e) {
    // An abort is the caller's own: it passes as it is.
    if (e instanceof InputError || signal?.aborted) throw e;
    throw new InputError(`${name}: cannot be fetched: ${(e as Error).message}`, { cause: e });
  }
}

/** The body of a response, refused as soon as it grows too long. */
async function collect(response: Response, name: string, maxBytes: number): Promise<Uint8Array> {
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = response.body?.getReader();
  for (;;) {
    const { done, value } = (await reader?.read()) ?? { done: true, value: undefined };
    if (done || !value) break;
    size += value.length;
    if (size > maxBytes) {
      await reader?.cancel();
      throw new InputError(`${name}: too large: more than ${maxBytes} bytes`);
    }
    parts.push(value);
  }
  return new Uint8Array(await new Blob(parts).arrayBuffer());
}
