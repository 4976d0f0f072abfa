// What a model takes before any of its weights are read: memory by purpose, and the cost of a picture, a prompt and a token.

import { RECORD_BYTES } from '../../assembly/program.ts';
import { crowded } from '../crowded.ts';
import { Session } from '../generate/session.ts';
import { kvBytes } from '../graph/kv.ts';
import type { Plan } from '../graph/plan.ts';
import { chooseCuts, splitPlan, stageRoom } from '../graph/stages.ts';
import { fullBytes, maxSize, type Storage } from '../graph/tensor.ts';
import type { WeightUse } from '../graph/weights.ts';
import type { Checkpoint, ModelOptions, PictureOptions } from '../models/model.ts';
import { openModel } from '../models/registry.ts';
import { Engine } from '../runtime/engine.ts';
import type { Platform } from '../runtime/platform.ts';
import { type DryRun, type Rehearsal, rehearse } from './dry.ts';

export interface EstimateOptions extends ModelOptions, PictureOptions {
  /** Pixels of the picture; null: none. Default 640 x 480. */
  readonly picture?: { readonly width: number; readonly height: number } | null;
  /** Rows of text in the prompt; default 64. */
  readonly textRows?: number;
  /** Each has its own scratch. Default 4. */
  readonly threads?: number;
  /** As the engine's: bytes of weights and caches that one memory holds. */
  readonly stageBytes?: number;
}

/** Multiply-adds are counted as two operations. */
export interface Work {
  readonly flops: number;
  /** Read and written. */
  readonly bytes: number;
}

export interface Estimate {
  readonly model: string;
  readonly family: string;
  /** Values of all weights. */
  readonly parameters: number;
  readonly context: number;
  readonly memory: {
    readonly weights: number;
    /** Keys and values of the whole context. */
    readonly cache: number;
    readonly cachePerRow: number;
    /** Tables that are computed. */
    readonly tables: number;
    /** Intermediates; all programs share the largest. */
    readonly arena: number;
    readonly arenas: Readonly<Record<string, number>>;
    readonly scratch: number;
    readonly records: number;
    readonly total: number;
    /** Bytes of each WebAssembly memory, at most 4 GiB: the language model's stages, and the tower's where it has its own. */
    readonly memories: readonly number[];
  };
  /** What the matrices would take in four bits (Q4_0) instead. */
  readonly weightsInFourBits: number;
  readonly picture: (Work & { readonly rows: number; readonly runs: Readonly<Record<string, number>> }) | null;
  readonly prefill: Work & { readonly rows: number };
  /** One token after the prompt. */
  readonly token: Work;
}

/** Pages of the engine that resizes pictures for the rehearsal: 256 MiB. */
const PAGES = 4096;
/** The most that a WebAssembly memory holds. */
const MEMORY = 2 ** 32;

/**
 * Rehearses a request. Only heads of files are read. Costs of steps that depend on the data (experts, pruned rows) are upper bounds.
 * @throws what opening the model throws; InputError where the prompt is longer than the context
 */
export async function estimate(platform: Platform, checkpoint: Checkpoint, options: EstimateOptions = {}): Promise<Estimate> {
  const model = await openModel(checkpoint, options);
  const { decoder, encoder } = model;
  const { picture = { width: 640, height: 480 }, textRows = 64, threads = 4 } = options;
  const engine = await Engine.create(platform, { threads: 0, maximumPages: PAGES });
  try {
    const rehearsal = rehearse(engine, model.weights);
    const session = new Session(rehearsal.programs, decoder);
    await encoder?.prepare(rehearsal.programs);
    await session.prepare();
    rehearsal.takeRuns();

    const prompt = Array.from({ length: textRows }, () => 0);
    const pieces: Parameters<Session['prefill']>[0][number][] = [...prompt];
    let seen: Estimate['picture'] = null;
    if (encoder && picture) {
      const { width, height } = picture;
      const image = { width, height, data: new Uint8Array(3 * width * height) };
      const { visualTokens, slices, preResize } = options;
      const rows = await encoder.encode(rehearsal.programs, image, {
        ...(visualTokens === undefined ? {} : { visualTokens }),
        ...(slices === undefined ? {} : { slices }),
        ...(preResize === undefined ? {} : { preResize }),
      });
      const runs = rehearsal.takeRuns();
      const times: Record<string, number> = {};
      for (const run of runs) times[run.name] = (times[run.name] ?? 0) + 1;
      seen = { ...sum(runs), rows: rows.rows, runs: times };
      pieces.unshift({ ...rows, key: 'picture' });
    }
    const { rows } = await session.prefill(pieces);
    const prefill = { ...sum(rehearsal.takeRuns()), rows };
    let token: Work = { flops: 0, bytes: 0 };
    if (rows < decoder.options.context) {
      await session.step(0);
      token = sum(rehearsal.takeRuns());
    }

    const caches = decoder.caches.flatMap((c) => [c.k.storage, c.v.storage]);
    return {
      model: checkpoint.name,
      family: `${model.name} over ${decoder.backbone.family}`,
      context: decoder.options.context,
      ...memoryOf(
        rehearsal,
        model.weights.flatMap((w) => [...w.uses]),
        new Set(caches),
        decoder.caches.reduce((n, c) => n + kvBytes(c, decoder.options.context), 0),
        decoder.options.context,
        threads,
        encoder !== undefined && crowded(checkpoint, model),
        options.stageBytes,
      ),
      picture: seen,
      prefill,
      token,
    };
  } finally {
    await engine.dispose();
  }
}

const sum = (runs: readonly DryRun[]): Work => ({
  flops: runs.reduce((n, r) => n + 2 * r.macs, 0),
  bytes: runs.reduce((n, r) => n + r.bytes, 0),
});

function memoryOf(
  rehearsal: Rehearsal,
  uses: readonly WeightUse[],
  caches: ReadonlySet<Storage>,
  cache: number,
  context: number,
  threads: number,
  ownTower: boolean,
  stageBytes: number | undefined,
): Pick<Estimate, 'memory' | 'parameters' | 'weightsInFourBits'> {
  const total = (storages: Iterable<Storage>): number => [...storages].reduce((n, s) => n + s.bytes, 0);
  const own = new Set(uses.map((u) => u.tensor.storage));
  const weights = total(own);
  const tables = total([...rehearsal.fixed()].filter((s) => !own.has(s) && !caches.has(s)));
  const arenas: Record<string, number> = {};
  for (const p of rehearsal.plans) arenas[p.graph.name] = Math.max(arenas[p.graph.name] ?? 0, p.arenaBytes);
  const arena = Math.max(0, ...Object.values(arenas));
  const scratch = threads * Math.max(0, ...[...rehearsal.plans].map((p) => p.scratchBytes));
  const records = RECORD_BYTES * [...rehearsal.plans].reduce((n, p) => n + p.nodes.length, 0);
  let parameters = 0;
  let weightsInFourBits = 0;
  for (const { form, tensor } of uses) {
    const values = maxSize(tensor.shape);
    parameters += values;
    weightsInFourBits += form === 'packed' && tensor.storage.bytes > (values * 18) / 32 ? (values * 18) / 32 : tensor.storage.bytes;
  }
  return {
    parameters,
    weightsInFourBits,
    memory: {
      weights,
      cache,
      cachePerRow: cache / context,
      tables,
      arena,
      arenas,
      scratch,
      records,
      total: weights + cache + tables + arena + scratch + records,
      memories: memoriesOf([...rehearsal.plans], threads, ownTower, stageBytes),
    },
  };
}

/** What each memory holds: its weights, caches and tables, and the arena and scratch of its largest program. */
function memoriesOf(plans: readonly Plan[], threads: number, ownTower: boolean, stageBytes = MEMORY): number[] {
  const staged = plans.filter((p) => p.graph.borders.length > 0);
  const largest = staged.reduce((a, b) => (b.arenaBytes > a.arenaBytes ? b : a));
  const cuts = chooseCuts(largest, () => Math.min(stageBytes, stageRoom(largest, MEMORY, threads)));
  const sizes = (parts: readonly Plan[]): number =>
    [...new Set(parts.flatMap((p) => [...p.fixed]))].reduce((n, s) => n + fullBytes(s), 0) +
    Math.max(0, ...parts.map((p) => p.arenaBytes)) +
    threads * Math.max(0, ...parts.map((p) => p.scratchBytes));
  const stages = staged.map((p) => splitPlan(p, cuts).map((stage) => stage.plan));
  const towers = plans.filter((p) => p.graph.borders.length === 0);
  const memories = Array.from({ length: cuts.size + 1 }, (_, i) => {
    const own = stages.map((parts) => parts[i]!);
    return sizes(i === 0 && !ownTower ? [...own, ...towers] : own);
  });
  return ownTower ? [...memories, sizes(towers)] : memories;
}
