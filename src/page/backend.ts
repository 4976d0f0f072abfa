// Who answers: the server over its API, or a worker of this page.

import type { InsightResult } from '../server/insight.ts';

export interface Question {
  /** The picture's file, PNG or JPEG. */
  readonly image: Blob | undefined;
  readonly text: string;
  readonly visualTokens?: number;
  /** Share of the picture's rows that deep layers keep, 0 to 1. */
  readonly keep: number;
}

export interface Answered {
  readonly usage: { readonly prompt: number; readonly completion: number; readonly image: number };
  readonly insight: InsightResult;
}

/** What the model lets one choose. */
export interface Choices {
  readonly name: string;
  /** The largest number of a picture's rows; undefined: there is no choice. */
  readonly visualTokens: number | undefined;
  readonly keep: boolean;
}

export interface Backend {
  /** Resolves when questions can be asked; `onProgress` sees a share from 0 to 1. */
  open(onProgress: (share: number) => void): Promise<Choices>;
  ask(question: Question, onText: (text: string) => void, signal: AbortSignal): Promise<Answered>;
  close(): void;
}

export const PROFILE_FIRST = 12;
