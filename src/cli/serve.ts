// `pumice serve`: the OpenAI-compatible server and its page.

import { basename } from 'node:path';
import { serve as listen } from '@hono/node-server';
import { InputError } from '../errors.ts';
import { Llava, type LoadOptions } from '../index.ts';
import { parsePruning } from '../models/pruning.ts';
import { handler } from '../server/index.ts';
import { embedded } from './embedded.ts';
import { pageFile } from './page.ts';
import { progress } from './progress.ts';

export interface ServeOptions {
  readonly model?: string;
  readonly mmproj?: string;
  readonly name?: string;
  readonly threads: number | 'auto';
  readonly ctxSize?: number;
  readonly prune?: string;
  readonly conversation?: string;
  readonly host: string;
  readonly port: number;
  readonly apiKey?: string;
  readonly imageHost: readonly string[];
  readonly queue: number;
}

/** Loads a model and serves it until SIGINT or SIGTERM. */
export async function serve(o: ServeOptions): Promise<void> {
  const model = embedded(o.model);
  if (!isLoopback(o.host) && o.apiKey === undefined)
    process.stderr.write(`warning: ${o.host} can be reached from other machines: set --api-key or PUMICE_API_KEY\n`);
  const bars = progress();
  const options: LoadOptions = {
    threads: o.threads,
    onProgress: (done, total) => bars.update('load', Math.round(done / 2 ** 20), Math.round(total / 2 ** 20), 'MiB'),
    ...(o.mmproj === undefined ? {} : { mmproj: o.mmproj }),
    ...(o.ctxSize === undefined ? {} : { context: o.ctxSize }),
    ...(o.prune === undefined ? {} : { prune: parsePruning(o.prune) }),
    ...(o.conversation === undefined ? {} : { conversation: o.conversation }),
  };
  const llava = await Llava.load(model, options).finally(() => bars.stop());
  try {
    const name = o.name ?? basename(model).replace(/\.gguf$/, '');
    const fetch = handler({
      models: { [name]: llava },
      imageHosts: o.imageHost,
      queue: o.queue,
      page: (request) => pageFile(request),
      ...(o.apiKey === undefined ? {} : { apiKey: o.apiKey }),
    });
    const server = listen({ fetch, hostname: o.host, port: o.port }, ({ port }) => {
      const host = o.host.includes(':') ? `[${o.host}]` : o.host;
      process.stdout.write(`${name} on http://${host}:${port} (API at /v1)\n`);
    });
    await new Promise<void>((resolve, reject) => {
      server.once('error', (e) => reject(new InputError(`serve: cannot listen on ${o.host}:${o.port}: ${e.message}`, { cause: e })));
      const stop = () => {
        server.close(() => resolve());
        // Answers that run are ended, idle connections too.
        if ('closeAllConnections' in server) server.closeAllConnections();
      };
      process.once('SIGINT', stop);
      process.once('SIGTERM', stop);
    });
  } finally {
    await llava.dispose();
  }
}

const isLoopback = (host: string): boolean => host === 'localhost' || host === '::1' || /^127\./.test(host);
