// Pictures of requests: data: URLs, and http(s) URLs of hosts that were allowed. Never paths.

import { decodeImage } from '../image/decode.ts';
import type { RgbImage } from '../image/image.ts';
import { HttpError } from './errors.ts';

export interface ImageLimits {
  /** Host names from which pictures are fetched; none by default: a server that fetches what it is told reaches into its own network. */
  readonly imageHosts: readonly string[];
  readonly maxImageBytes: number;
  readonly maxPixels: number;
  readonly fetch: typeof fetch;
}

/** Loads and decodes the picture of an `image_url`. */
export async function requestImage(url: string, limits: ImageLimits, signal: AbortSignal): Promise<RgbImage> {
  checkImageUrl(url, limits);
  const bytes = url.slice(0, 5).toLowerCase() === 'data:' ? dataBytes(url) : await fetched(url, limits, signal);
  return decodeImage(bytes, { name: 'image_url', maxPixels: limits.maxPixels });
}

/** Refuses what requestImage would refuse unseen: before the request waits for its turn. */
export function checkImageUrl(url: string, { imageHosts, maxImageBytes }: ImageLimits): void {
  if (url.slice(0, 5).toLowerCase() === 'data:') {
    const comma = url.indexOf(',');
    if (comma < 0 || !/;base64$/i.test(url.slice(0, comma)))
      throw refused('is a data: URL without base64: data:image/png;base64,... is expected');
    if ((url.length - comma) * 0.75 > maxImageBytes + 3) throw tooLarge(maxImageBytes);
    return;
  }
  const { protocol, host } = URL.canParse(url) ? new URL(url) : { protocol: '', host: '' };
  if (!/^https?:$/.test(protocol)) throw refused('is neither a data: URL nor an http(s) URL');
  if (!imageHosts.includes(host)) throw refused(`is at ${host}, which is not among the allowed hosts: send a data: URL`);
}

const refused = (why: string): HttpError => new HttpError(400, 'invalid_image', `image_url: ${why}`);
const tooLarge = (limit: number): HttpError => refused(`is too large: at most ${limit} bytes are taken`);

function dataBytes(url: string): Uint8Array {
  try {
    return Uint8Array.from(atob(url.slice(url.indexOf(',') + 1)), (c) => c.charCodeAt(0));
  } catch {
    throw refused('holds no valid base64');
  }
}

async function fetched(url: string, { maxImageBytes, fetch: get }: ImageLimits, signal: AbortSignal): Promise<Uint8Array> {
  // A redirect could lead anywhere.
  const response = await get(url, { signal, redirect: 'error' }).catch((e: Error) => {
    throw signal.aborted ? signal.reason : refused(`cannot be fetched: ${e.message}`);
  });
  if (!response.ok) throw refused(`cannot be fetched: its server answers ${response.status}`);
  const parts: Uint8Array<ArrayBuffer>[] = [];
  let size = 0;
  const reader = response.body!.getReader();
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return new Uint8Array(await new Blob(parts).arrayBuffer());
    size += value.length;
    if (size > maxImageBytes) {
      await reader.cancel();
      throw tooLarge(maxImageBytes);
    }
    parts.push(value);
  }
}
