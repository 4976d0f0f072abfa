// Bytes of tokens -> text, whole characters only.

import type { TokenStream } from './tokenizer.ts';

/** A stream over the bytes that `shown` gives for each token. Holds back at most three bytes: the start of a character that may still become valid. */
export function tokenStream(shown: (id: number) => Uint8Array): TokenStream {
  // A byte order mark is a character like any other.
  const decoder = new TextDecoder('utf-8', { ignoreBOM: true });
  return {
    push: (id) => decoder.decode(shown(id), { stream: true }),
    flush: () => decoder.decode(),
  };
}
