// A file server on 127.0.0.1 that misbehaves on demand.

import { createServer, type IncomingMessage, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';

export interface FakeFile {
  bytes: Uint8Array;
  etag?: string | undefined;
  lastModified?: string;
  /** No answer to range requests but the whole file. */
  whole?: boolean;
  /** Answers that end after this many bytes, one entry each; then all goes well. */
  cuts?: number[];
  /** Status of the next answers, one entry each. */
  statuses?: number[];
  type?: string;
  redirect?: string;
  /** Sent with every answer, redirects included. */
  headers?: Record<string, string>;
  /** Milliseconds between pieces of 16 KiB. */
  slow?: number;
  /** No Content-Length (chunked). */
  unsized?: boolean;
  /** Stops sending after this many bytes, without closing, once. */
  stall?: number | undefined;
}

export interface FakeServer {
  readonly url: string;
  readonly files: Map<string, FakeFile>;
  /** `GET /path bytes=..` of every request, and its headers. */
  readonly requests: { readonly line: string; readonly headers: IncomingMessage['headers'] }[];
  close(): Promise<void>;
}

/** Starts a server; the test closes it. */
export async function fakeServer(files: Record<string, FakeFile> = {}): Promise<FakeServer> {
  const all = new Map(Object.entries(files));
  const requests: FakeServer['requests'] = [];
  const server = createServer((request, response) => {
    requests.push({ line: `${request.method} ${request.url} ${request.headers.range ?? ''}`.trim(), headers: request.headers });
    answer(all.get(new URL(request.url ?? '/', 'http://x').pathname), request, response).catch(() => response.destroy());
  });
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    files: all,
    requests,
    close: () =>
      new Promise((resolve) => {
        server.close(() => resolve());
        server.closeAllConnections();
      }),
  };
}

async function answer(file: FakeFile | undefined, request: IncomingMessage, response: ServerResponse): Promise<void> {
  const status = file?.statuses?.shift();
  if (file === undefined || status !== undefined) {
    response.writeHead(status ?? 404).end('no');
    return;
  }
  if (file.redirect !== undefined) {
    response.writeHead(302, { ...file.headers, location: file.redirect }).end();
    return;
  }
  const { bytes } = file;
  for (const [name, value] of Object.entries(file.headers ?? {})) response.setHeader(name, value);
  response.setHeader('content-type', file.type ?? 'application/octet-stream');
  if (file.etag !== undefined) response.setHeader('etag', file.etag);
  if (file.lastModified !== undefined) response.setHeader('last-modified', file.lastModified);
  const ifRange = request.headers['if-range'];
  const changed = ifRange !== undefined && ifRange !== file.etag && ifRange !== file.lastModified;
  const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
  let body = bytes;
  if (from !== undefined && file.whole !== true && !changed) {
    const end = Math.min(to === '' ? bytes.length : Number(to) + 1, bytes.length);
    if (Number(from) >= bytes.length) {
      response.writeHead(416, { 'content-range': `bytes */${bytes.length}` }).end();
      return;
    }
    body = bytes.subarray(Number(from), end);
    response.statusCode = 206;
    response.setHeader('content-range', `bytes ${from}-${end - 1}/${bytes.length}`);
  }
  if (file.unsized !== true) response.setHeader('content-length', body.length);
  const cut = file.cuts?.shift();
  const until = Math.min(cut ?? Infinity, file.stall ?? Infinity, body.length);
  const piece = file.slow === undefined ? until : 16 * 1024;
  for (let at = 0; at < until; at += piece) {
    response.write(body.subarray(at, Math.min(at + piece, until)));
    if (file.slow !== undefined) await new Promise((resolve) => setTimeout(resolve, file.slow));
  }
  if (until === body.length) response.end();
  else if (cut === until) setTimeout(() => response.destroy(), 5);
  else file.stall = undefined;
}
