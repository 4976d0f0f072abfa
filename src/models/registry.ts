// Every model family, most particular first. A new model is its file and one line here; the file is loaded when a checkpoint needs it.

import { UnsupportedError } from '../errors.ts';
import type { Config } from './config.ts';
import type { Checkpoint, Model, ModelDefinition, ModelOptions } from './model.ts';
import { isTowerPruning } from './pruning.ts';

/** Does a checkpoint belong to the family? */
type Matches = (checkpoint: Checkpoint) => boolean;

const FAMILIES: readonly (readonly [matches: Matches, load: () => Promise<ModelDefinition>])[] = [
  [({ files }) => files.tensors.has('internlm_proj.weight'), async () => (await import('./shareCaptioner.ts')).shareCaptioner],
  [({ config }) => isMixture(config), async () => (await import('./moe.ts')).moe],
  [isDynamic, async () => (await import('./dynamicLlava.ts')).dynamicLlava],
  [({ files }) => files.tensors.has('model.query_abstractor.query'), async () => (await import('./mqt.ts')).mqt],
  [isUhd, async () => (await import('./uhd.ts')).uhd],
  [({ config }) => config.string('image_aspect_ratio', '') === 'anyres', async () => (await import('./llava16.ts')).llava16],
  [() => true, async () => (await import('./llava15.ts')).llava15],
];

/** Opens a checkpoint with the first family that knows it. */
export async function openModel(checkpoint: Checkpoint, options: ModelOptions = {}): Promise<Model> {
  const [, load] = FAMILIES.find(([matches]) => matches(checkpoint))!;
  const model = await (await load()).open(checkpoint, options);
  if (isTowerPruning(options.prune) && model.needsAllRows !== undefined)
    throw new UnsupportedError(`prune: ${options.prune.method}: does not meet ${model.name}: ${model.needsAllRows}; fastv does`);
  return model;
}

/** Whether layers of the model are mixtures: dense stages of training have no `moe` object, or one that is switched off. */
export const isMixture = (config: Config): boolean => config.object('moe')?.bool('moe_enable', true) === true;

function isDynamic({ config }: Checkpoint): boolean {
  return (
    config.object('sparse_config') !== undefined ||
    config.string('model_type', '') === 'dynamic_llava_llama' ||
    config.strings('architectures').includes('DynamicLlavaLlamaForCausalLM')
  );
}

function isUhd({ config, files }: Checkpoint): boolean {
  const type = config.string('mm_projector_type', '');
  return /^(adapt_spatial_resampler|uhd_v)/.test(type) || files.tensors.has('model.mm_projector.attn.in_proj_weight');
}
