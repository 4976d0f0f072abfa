// One at a time, so many waiting, no more.

import { HttpError } from './errors.ts';

export class Queue {
  readonly #limit: number;
  #tail: Promise<unknown> = Promise.resolve();
  #length = 0;

  /** `limit`: requests that may wait besides the one that runs. */
  constructor(limit: number) {
    this.#limit = limit;
  }

  /** Requests that run or wait. */
  get length(): number {
    return this.#length;
  }

  /**
   * Waits for the turn. The caller must call what it gets when it is done.
   * @throws HttpError 429 where too many wait; the signal's reason when it aborts while waiting
   */
  async enter(signal: AbortSignal): Promise<() => void> {
    if (this.#length > this.#limit)
      throw new HttpError(429, 'queue_full', `queue: is full: ${this.#limit} requests wait already: try again later`, {
        'retry-after': '1',
      });
    this.#length++;
    const before = this.#tail;
    let done = () => {};
    this.#tail = new Promise<void>((resolve) => {
      done = resolve;
    });
    const leave = () => {
      this.#length--;
      done();
    };
    await before;
    if (signal.aborted) {
      leave();
      throw signal.reason;
    }
    return leave;
  }
}
