// This browser answers: the model runs in a worker, so that the page stays alive while it computes.

import { PumiceError } from '../errors.ts';
import type { Answered, Backend, Choices, Question } from './backend.ts';

export type ToModel =
  | { readonly kind: 'open'; readonly model: string }
  | { readonly kind: 'ask'; readonly question: Question }
  | { readonly kind: 'stop' };
export type FromModel =
  | { readonly kind: 'progress'; readonly share: number }
  | { readonly kind: 'open'; readonly choices: Choices }
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'answered'; readonly answered: Answered }
  | { readonly kind: 'error'; readonly message: string };

/** `model`: URL of a GGUF file. */
export function browserBackend(model: string): Backend {
  const worker = new Worker(new URL('./modelWorker.js', import.meta.url), { type: 'module' });

  /** Posts a message and waits for the answer of a kind; passes other messages on. */
  function call<K extends FromModel['kind']>(
    message: ToModel,
    kind: K,
    other: (m: FromModel) => void,
  ): Promise<Extract<FromModel, { kind: K }>> {
    return new Promise((resolve, reject) => {
      worker.onmessage = ({ data }: MessageEvent<FromModel>) => {
        if (data.kind === kind) resolve(data as Extract<FromModel, { kind: K }>);
        else if (data.kind === 'error') reject(new PumiceError('page', data.message));
        else other(data);
      };
      worker.onerror = (e) => reject(new PumiceError('page', e.message || 'the worker cannot start'));
      worker.postMessage(message);
    });
  }

  return {
    async open(onProgress) {
      const { choices } = await call({ kind: 'open', model }, 'open', (m) => m.kind === 'progress' && onProgress(m.share));
      return choices;
    },
    async ask(question, onText, signal) {
      const stop = () => worker.postMessage({ kind: 'stop' } satisfies ToModel);
      signal.addEventListener('abort', stop, { once: true });
      try {
        return (await call({ kind: 'ask', question }, 'answered', (m) => m.kind === 'text' && onText(m.text))).answered;
      } finally {
        signal.removeEventListener('abort', stop);
      }
    },
    close: () => worker.terminate(),
  };
}
