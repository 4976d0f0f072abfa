// What an answer did, for showing: time by operation, and what the tower looked at.

import type { ChatOptions, Llava } from '../llava.ts';
import { Profile } from '../profile/profile.ts';

export interface Insight {
  readonly explain: NonNullable<ChatOptions['explain']>;
  /** Ends the profile. Once, when the answer is complete. */
  result(): InsightResult;
}

export interface InsightResult {
  readonly ops: readonly { readonly op: string; readonly calls: number; readonly ms: number; readonly macs: number }[];
  readonly views: readonly {
    readonly picture: number;
    readonly name: string;
    readonly window: unknown;
    readonly grid: unknown;
    /** 0 or 1 per patch. */
    readonly kept?: readonly number[];
    /** Mean attention per patch. */
    readonly attention?: readonly number[];
  }[];
}

/** Watches the next answer of a model. */
export function insight(llava: Llava): Insight {
  const profile = new Profile([llava.programs, llava.vision]);
  const views: InsightResult['views'][number][] = [];
  return {
    explain(picture, _image, { name, window, grid, attention, kept }) {
      const view = { picture, name, window, grid };
      views.push({
        ...view,
        ...(kept && { kept: [...kept] }),
        ...(attention && { attention: meanRows(attention, grid.width * grid.height) }),
      });
    },
    result() {
      profile.detach();
      return { ops: profile.totals('op').map(({ key, calls, ms, macs }) => ({ op: key, calls, ms, macs })), views };
    },
  };
}

/** Column means of f32 [rows, columns]. */
function meanRows(x: Float32Array, columns: number): number[] {
  const sums = new Array<number>(columns).fill(0);
  x.forEach((v, i) => {
    sums[i % columns]! += (v * columns) / x.length;
  });
  return sums;
}
