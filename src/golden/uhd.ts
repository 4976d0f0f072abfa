// LLaVA-UHD: slicing tables, slices to the byte, interpolated positions, both resamplers, whole models.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openSafetensors } from '../formats/safetensors.ts';
import { Graph } from '../graph/graph.ts';
import { copy } from '../graph/ops/copy.ts';
import { Weights } from '../graph/weights.ts';
import type { RgbImage } from '../image/image.ts';
import { normalize, preprocessing, type Size } from '../image/preprocess.ts';
import { cutSlices, planPaperSlices, planSlices, preResize, preResized, type SliceSettings } from '../image/slices.ts';
import type { ClipConfig } from '../models/clip.ts';
import { concat } from '../models/concat.ts';
import { openHubFolder } from '../models/hubLayout.ts';
import { TOWER } from '../models/model.ts';
import { resamplerLayers } from '../models/resampler.ts';
import { PREFIX, towerView } from '../models/uhd.ts';
import { type UhdForm, uhdResampler } from '../models/uhdResampler.ts';
import { windowBins, windowBoxes } from '../models/uhdWindows.ts';
import { Engine } from '../runtime/engine.ts';
import { nodePlatform } from '../runtime/node.ts';
import { fileSource } from '../runtime/nodeFiles.ts';
import { Programs } from '../runtime/programs.ts';
import { assertSame, floats, type GoldenCase, integers, loadTensors, Mismatch, readCase, tensor } from './compare.ts';
import { Comparison, splice, type Tensors, withModel } from './endToEnd.ts';
import { fixtureFolder } from './fixtureFolder.ts';
import { compareLanguage, lastRows } from './mqt.ts';
import type { CaseRunner } from './runner.ts';

type Pair = readonly [number, number];
const size = ([width, height]: Pair): Size => ({ width, height });
const pair = (s: Size | undefined | null): Pair | null => (s ? [s.width, s.height] : null);
const scaled = (s: Size, by: number): Size => ({ width: s.width * by, height: s.height * by });

function same(name: string, got: unknown, want: unknown): void {
  if (JSON.stringify(got) !== JSON.stringify(want)) throw new Mismatch(`${name}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

interface TableEntry {
  readonly pre?: Pair;
  readonly [field: string]: unknown;
}

interface Table {
  readonly default_params: { readonly max_slice_nums: number; readonly scale_resolution: number; readonly patch_size: number };
  readonly sizes: readonly { readonly w: number; readonly h: number; readonly native: TableEntry; readonly eval1024: TableEntry | null }[];
  readonly other_params: readonly (Table['default_params'] & { readonly w: number; readonly h: number; readonly result: TableEntry })[];
}

const settingsOf = (p: Table['default_params']): SliceSettings => ({
  resolution: p.scale_resolution,
  patch: p.patch_size,
  maxSlices: p.max_slice_nums,
});

/** Every field of an entry, from the plan of a size. */
function entry(of: Size, settings: SliceSettings): TableEntry {
  const { overview, cut } = planSlices(of, settings);
  const { patch } = settings;
  const bins = (s: Size) => {
    const b = windowBins(scaled(s, 1 / patch));
    return [b.height, b.width];
  };
  const slices = cut ? cut.grid.width * cut.grid.height : 0;
  return {
    overview: pair(overview),
    overview_patches: pair(scaled(overview, 1 / patch)),
    grid: pair(cut?.grid),
    refine: cut ? [cut.grid.width * cut.slice.width, cut.grid.height * cut.slice.height] : null,
    slice: pair(cut?.slice),
    slice_patches: cut ? pair(scaled(cut.slice, 1 / patch)) : null,
    n_slices: slices,
    separators: cut ? `${','.repeat(cut.grid.width - 1)}n`.repeat(cut.grid.height) : '',
    visual_positions_144: 144 * (slices + 1) + slices,
    visual_positions_64: 64 * (slices + 1) + slices,
    overview_bins_hw: bins(overview),
    slice_bins_hw: cut ? bins(cut.slice) : null,
  };
}

const slicingTable: CaseRunner = {
  matches: (system, name) => system === 'llava-uhd' && name === 'slicing-table',
  async run(dir) {
    const table = JSON.parse(readFileSync(join(dir, 'table.json'), 'utf8')) as Table;
    const settings = settingsOf(table.default_params);
    const check = (name: string, of: Size, s: SliceSettings, want: TableEntry) => {
      const got = entry(of, s);
      for (const field of Object.keys(want)) if (field !== 'pre') same(`${name}: ${field}`, got[field], want[field]);
    };
    for (const { w, h, native, eval1024 } of table.sizes) {
      check(`${w} x ${h}`, size([w, h]), settings, native);
      const pre = preResized(size([w, h]), 1024);
      if (eval1024 === null) {
        if (pre.width > 0 && pre.height > 0) throw new Mismatch(`${w} x ${h}: got ${pair(pre)} before slicing, want an empty picture`);
        continue;
      }
      same(`${w} x ${h}: pre`, pair(pre), eval1024.pre);
      check(`${w} x ${h} after 1024`, pre, settings, eval1024);
    }
    for (const o of table.other_params) check(`${o.w} x ${o.h} with other settings`, size([o.w, o.h]), settingsOf(o), o.result);
  },
};

const paperTable: CaseRunner = {
  matches: (system, name) => system === 'llava-uhd' && name === 'paper64-slicing-table',
  async run(dir) {
    const { sizes } = JSON.parse(readFileSync(join(dir, 'table.json'), 'utf8')) as {
      sizes: readonly { w: number; h: number; grid: Pair; slice_patches: Pair; overview_patches: Pair; crop_boxes: readonly number[][] }[];
    };
    for (const s of sizes) {
      const name = `${s.w} x ${s.h}`;
      const plan = planPaperSlices(size([s.w, s.h]), { resolution: 336, patch: 14, maxSlices: 6 });
      same(`${name}: grid`, pair(plan.grid), s.grid);
      same(`${name}: slice`, pair(plan.slice), s.slice_patches);
      same(`${name}: overview`, pair(plan.overview), s.overview_patches);
      same(
        `${name}: boxes`,
        plan.boxes.map((b) => [b.left, b.top, b.left + b.width, b.top + b.height]),
        s.crop_boxes,
      );
    }
  },
};

async function load(dir: string) {
  const c = readCase(dir);
  const inputs: Tensors = c.files.inputs ? await loadTensors(join(dir, 'inputs.safetensors')) : new Map();
  return { c, inputs, cmp: new Comparison(c, await loadTensors(join(dir, 'expected.safetensors'))) };
}

async function withEngine<T>(body: (engine: Engine) => Promise<T>): Promise<T> {
  const engine = await Engine.create(nodePlatform, { threads: 0 });
  try {
    return await body(engine);
  } finally {
    await engine.dispose();
  }
}

function pictureOf(inputs: Tensors): RgbImage {
  const t = tensor(inputs, 'image');
  return { height: t.shape[0]!, width: t.shape[1]!, data: t.data as Uint8Array };
}

const imageSettings = ({ params }: GoldenCase) =>
  preprocessing({ image_mean: params.image_mean, image_std: params.image_std }, 'square', 'case.json');

const slicePixels: CaseRunner = {
  matches: (system, name) => system === 'llava-uhd' && name.startsWith('slice-pixels-'),
  async run(dir) {
    const { c, inputs, cmp } = await load(dir);
    await withEngine(async (engine) => {
      const { params } = c as unknown as { params: Table['default_params'] & { pre_resize_max_side: number | null } };
      const original = pictureOf(inputs);
      const image = params.pre_resize_max_side === null ? original : await preResize(original, params.pre_resize_max_side, engine);
      const bytes = (name: string, got: Uint8Array) => {
        if (!cmp.wants(name)) return;
        cmp.seen.add(name);
        assertSame(name, got, integers(cmp.expected, name));
      };
      bytes('pre_u8_row0', image.data.subarray(0, 3 * image.width));
      const { overview, slices } = await cutSlices(image, planSlices(image, settingsOf(params)), engine);
      bytes('overview_u8', overview.image.data);
      if (slices[0]) bytes('slice0_u8', slices[0].image.data);
      const pixels = async (images: readonly RgbImage[]) => (await normalize(images, imageSettings(c), engine)).data;
      cmp.close('overview_pixels', await pixels([overview.image]));
      if (slices.length) cmp.close('slice_pixels', await pixels(slices.map((s) => s.image)));
      cmp.finish();
    });
  },
};

const gridOf = ([height, width]: Pair): Size => ({ width, height });

const positions: CaseRunner = {
  matches: (system, name) => system === 'llava-uhd' && name === 'pos-embed-interp',
  async run(dir) {
    const { c, cmp } = await load(dir);
    const files = await openSafetensors(fileSource(join(dir, 'model.safetensors')));
    const weights = Weights.over(files);
    await withEngine(async (engine) => {
      const programs = new Programs(engine, [weights]);
      const side = c.params.native_side as number;
      const [rows = 0, width = 0] = weights.at(TOWER).shape('embeddings.position_embedding.weight') ?? [];
      for (const hw of c.params.grids_hw as Pair[]) {
        const { view, inputs } = towerView({ imageSize: 14 * side, patch: 14 } as ClipConfig, gridOf(hw));
        const name = `pos_${hw.join('x')}`;
        const build = () => {
          const g = new Graph(name);
          const table = weights.at(TOWER).plain('embeddings.position_embedding.weight', [rows, width]);
          g.output('y', g.add(copy, [view ? view.positions(g, table) : table], {}));
          return g;
        };
        const program = await programs.get(name, build);
        for (const [input, data] of Object.entries(inputs)) engine.write(program, input, data);
        await programs.run(program);
        cmp.close(name, engine.read(program, 'y'));
      }
      cmp.finish();
    });
    await files.close();
  },
};

const resamplers: CaseRunner = {
  matches: (system, name) => system === 'llava-uhd' && name.includes('resampler'),
  async run(dir) {
    const { c, inputs, cmp } = await load(dir);
    const form: UhdForm = c.case.startsWith('paper64') ? 'global' : 'windows';
    const files = resamplerLayers(await openSafetensors(fileSource(join(dir, 'model.safetensors'))), PREFIX);
    const weights = Weights.over(files);
    await withEngine(async (engine) => {
      const programs = new Programs(engine, [weights]);
      for (const hw of c.params.grids_hw as Pair[]) {
        const at = hw.join('x');
        const grid = gridOf(hw);
        const features = floats(inputs, `x_${at}`);
        const from = tensor(inputs, `x_${at}`).shape[1]!;
        const resampler = uhdResampler(weights.at(PREFIX), form, from);
        await resampler.query.fill(programs);
        for (const half of [false, true]) {
          if (half && !cmp.wants(`out_fp16boxes_${at}`)) continue;
          const projection = resampler.over(grid, half);
          const build = () => {
            const g = new Graph(`resampler ${at}`);
            g.output('out', projection.tokens(g, g.input('features', 'f32', [grid.width * grid.height, from])));
            return g;
          };
          const program = await programs.get(`${at} ${half}`, build, ['key_pos', 'ln_kv', 'attn', 'attn_out']);
          engine.write(program, 'features', features);
          for (const [input, data] of Object.entries(projection.inputs)) engine.write(program, input, data);
          await programs.run(program);
          cmp.close(half ? `out_fp16boxes_${at}` : `out_${at}`, engine.read(program, 'out'));
          if (half) continue;
          for (const name of ['key_pos', 'ln_kv', 'attn_out']) {
            if (!cmp.wants(`${name}_${at}`)) continue;
            // Of maps the case has the first patches.
            cmp.close(`${name}_${at}`, engine.read(program, name).subarray(0, floats(cmp.expected, `${name}_${at}`).length));
          }
          if (!cmp.wants(`attn_${at}`)) continue;
          cmp.close(`boxes_${at}`, windowBoxes(grid, Math.sqrt(resampler.queries)));
          const all = engine.read(program, 'attn');
          const each = all.length / resampler.queries;
          const windows = [...integers(inputs, `windows_${at}`)];
          cmp.close(`attn_${at}`, concat(windows.map((n) => all.subarray(n * each, (n + 1) * each))));
          looksAtEverything(projection.looks(all), resampler.queries);
        }
      }
      cmp.finish();
    });
    await files.close();
  },
};

/** What a query looks at is a distribution over the patches, except for what it loses at the map's edge. */
function looksAtEverything(looks: Float32Array, queries: number): void {
  const patches = looks.length / queries;
  for (let q = 0; q < queries; q++) {
    const sum = looks.subarray(q * patches, (q + 1) * patches).reduce((s, v) => s + v, 0);
    if (!(sum > 0 && sum < 1.0001)) throw new Mismatch(`looks of query ${q}: sum to ${sum}`);
  }
}

/** Every `step`-th row and column of planes f32 [3, height, width]. */
function sub(pixels: Float32Array, { width, height }: Size, step: number): Float32Array {
  const out: number[] = [];
  for (let c = 0; c < 3; c++) {
    for (let y = 0; y < height; y += step) for (let x = 0; x < width; x += step) out.push(pixels[(c * height + y) * width + x]!);
  }
  return Float32Array.from(out);
}

const endToEnd: CaseRunner = {
  matches: (system, name) => system === 'llava-uhd' && name.startsWith('e2e-'),
  async run(dir) {
    const { c, inputs, cmp } = await load(dir);
    const checkpoint = await openHubFolder(fixtureFolder(dir, c));
    const params = c.params as { separator_ids: Record<string, number>; pre_resize_max_side: number | null };
    const config = checkpoint.config.with({ separator_ids: params.separator_ids });
    await withModel({ ...checkpoint, config }, {}, async (m) => {
      if (m.model.name !== 'llava-uhd') throw new Mismatch(`opened as ${m.model.name}`);
      const runs: { tokens: Float32Array; features: Float32Array; embeddings: Float32Array; pixels: Float32Array }[] = [];
      const grids: Size[] = [];
      const rows = await m.model.encoder!.encode(m.programs, pictureOf(inputs), {
        preResize: params.pre_resize_max_side,
        keep: ['vision_features', 'vision_embeddings'],
        visit: (program, pixels) => {
          const read = (name: string) => m.engine.read(program, name);
          runs.push({ tokens: read('projected'), features: read('vision_features'), embeddings: read('vision_embeddings'), pixels });
        },
        explain: (view) => grids.push(view.grid),
      });
      // Slices first, the overview last.
      const named = new Map([
        ['overview', runs.length - 1],
        ...(runs.length > 1 ? [['slice0', 0] as const, ['last_slice', runs.length - 2] as const] : []),
      ]);
      for (const [name, i] of named) {
        const { tokens, features, embeddings, pixels } = runs[i]!;
        cmp.close(`${name}_tokens`, tokens);
        cmp.close(`${name}_features`, features);
        cmp.close(`${name}_embeddings`, embeddings);
        cmp.close(`${name}_pixels_sub12`, sub(pixels, scaled(grids[i]!, 14), 12));
      }
      const width = m.model.decoder.backbone.hidden;
      await compareLanguage(
        m,
        splice(integers(inputs, 'input_ids'), [{ ...rows, key: 'image' }]),
        cmp,
        (read) => {
          const embeds = read('inputs_embeds');
          const at = [...integers(inputs, 'rows')];
          cmp.close('inputs_embeds_rows', concat(at.map((r) => embeds.subarray(r * width, (r + 1) * width))));
          cmp.close('hidden_0_last8', lastRows(read('lm_hidden_1'), 8, width));
          cmp.close('final_hidden_last8', lastRows(read('lm_final_norm'), 8, width));
          cmp.close('logits_last8', lastRows(read('logits'), 8, m.model.decoder.backbone.vocabulary));
        },
        ['inputs_embeds', 'lm_hidden_1', 'lm_final_norm'],
      );
      cmp.finish();
    });
  },
};

export const cases: readonly CaseRunner[] = [slicingTable, paperTable, slicePixels, positions, resamplers, endToEnd];
