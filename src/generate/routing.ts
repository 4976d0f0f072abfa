// What the routers of a mixture of experts did: the hook of `chat` and of sessions.

import type { Decoder, DecoderProgram } from '../models/decoder.ts';
import type { Engine } from '../runtime/engine.ts';
import type { Row, SessionObserver } from './session.ts';

/** One layer's router over the rows of one run. */
export interface Routing {
  readonly kind: DecoderProgram;
  readonly layer: number;
  /** Position of the first row. */
  readonly from: number;
  readonly rows: number;
  readonly experts: number;
  /** Experts of a row. */
  readonly k: number;
  /** 1 for rows of a picture, 0 for text: [rows]. */
  readonly picture: Uint8Array;
  /** f32 [rows, experts], before the softmax. */
  readonly logits: Float32Array;
  /** f32 [rows, experts]: what each expert's result counts, 0 where it is not chosen or has no room. */
  readonly weights: Float32Array;
  /** i32 [rows, k], best first; -1: none, in a row of NaN. */
  readonly choices: Int32Array;
  /** i32 [rows, k]: places in the experts' lists; -1: dropped, the expert had no room. */
  readonly slots: Int32Array;
}

const TAPS = ['logits', 'weights', 'choices'];

/** Calls `see` for each mixed layer after each run; undefined where the model has none. */
export function routingObserver(engine: Engine, decoder: Decoder, see: (routing: Routing) => void): SessionObserver | undefined {
  const experts = decoder.hooks.experts ?? [];
  const layers = experts.flatMap((n, i) => (n > 0 ? [i] : []));
  if (!layers.length) return undefined;
  return {
    keep: layers.flatMap((i) => TAPS.map((what) => `router_${what}_${i}`)),
    visit({ kind, program, from, rows }) {
      for (const layer of layers) {
        const read = (what: string) => engine.read(program, `router_${what}_${layer}`);
        const pairs = engine.readInts(program, `router_choices_${layer}`);
        const k = pairs.length / rows.length / 2;
        const half = (at: number) =>
          Int32Array.from({ length: rows.length * k }, (_, i) => pairs[2 * k * Math.floor(i / k) + at + (i % k)]!);
        see({
          kind,
          layer,
          from,
          rows: rows.length,
          experts: experts[layer]!,
          k,
          picture: Uint8Array.from(rows, (r: Row) => (r.image ? 1 : 0)),
          logits: read('logits'),
          weights: read('weights'),
          choices: half(0),
          slots: half(k),
        });
      }
    },
  };
}
