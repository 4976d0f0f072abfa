// Weights in any type: those with searched scales by a kernel on all threads, the others here.

import { checkWeights, quantize } from '../formats/quantize/index.ts';
import { BLOCKS, type StorageType } from '../formats/tensors.ts';
import { Graph, newCell } from '../graph/graph.ts';
import { needsSearch, quantizeBlocks } from '../graph/ops/quantizeBlocks.ts';
import { plan } from '../graph/plan.ts';
import type { Cell } from '../graph/tensor.ts';
import { Engine, type EngineOptions, type Program } from '../runtime/engine.ts';
import type { Platform } from '../runtime/platform.ts';

/** Values that the kernel takes at once, about. */
const PIECE = 2 ** 21;

interface Ready {
  readonly key: string;
  readonly program: Program;
  /** Rows of a piece. */
  readonly rows: Cell;
}

export class Quantizer implements AsyncDisposable {
  readonly #engine: Engine;
  /** The last program: the rows of a tensor come one after the other. */
  #last: Ready | undefined;

  private constructor(engine: Engine) {
    this.#engine = engine;
  }

  static async create(platform: Platform, options: EngineOptions = {}): Promise<Quantizer> {
    return new Quantizer(await Engine.create(platform, { ...options, set: 'quantizers' }));
  }

  /**
   * Stores rows of `cols` values, f32 [x.length / cols, cols], in a type: the inverse of `dequantize`. The bytes are llama.cpp's.
   * @param importance f32 [cols]: how much an error in each column matters (an imatrix's mean squared inputs); null: all alike
   * @param quick IQ4_NL without a search
   * @throws UnsupportedError for types that hold no weights; ShapeError where rows are no whole blocks; FormatError `not_finite`
   */
  async quantize(
    type: StorageType,
    x: Float32Array,
    cols: number,
    importance: Float32Array | null = null,
    quick = false,
  ): Promise<Uint8Array<ArrayBuffer>> {
    if (!needsSearch(type, importance !== null)) return quantize(type, x, cols, importance);
    checkWeights(type, x, cols, importance);
    const rows = x.length / cols;
    const rowBytes = (cols / BLOCKS[type].values) * BLOCKS[type].bytes;
    const out = new Uint8Array(rows * rowBytes);
    const { program, rows: count } = this.#program(type, cols, importance !== null, quick);
    if (importance) this.#engine.write(program, 'importance', importance);
    for (let r = 0; r < rows; r += count.max) {
      const here = Math.min(count.max, rows - r);
      this.#engine.setCell(count, here);
      this.#engine.write(program, 'x', x.subarray(r * cols, (r + here) * cols));
      await this.#engine.run(program);
      const at = this.#engine.locate(program, program.plan.readable.get('blocks')!);
      out.set(this.#engine.bytes.subarray(at, at + here * rowBytes), r * rowBytes);
    }
    return out;
  }

  #program(type: StorageType, cols: number, weighted: boolean, quick: boolean): Ready {
    const key = `${type} ${cols} ${weighted} ${quick}`;
    if (this.#last?.key === key) return this.#last;
    if (this.#last) this.#engine.uninstall(this.#last.program);
    const g = new Graph('quantize');
    const rows = newCell('rows', Math.max(1, Math.floor(PIECE / cols)));
    const inputs = [g.input('x', 'f32', [rows, cols]), ...(weighted ? [g.input('importance', 'f32', [1, cols])] : [])];
    g.output('blocks', g.add(quantizeBlocks, inputs, { type, quick }));
    const ready = { key, program: this.#engine.install(plan(g)), rows };
    this.#last = ready;
    return ready;
  }

  dispose(): Promise<void> {
    return this.#engine.dispose();
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.dispose();
  }
}
