// Experts of a mixture: on the hub a matrix for each, in GGUF one stack of all (names of llama.cpp).
//
//   model.layers.3.mlp.deepspeed_moe.experts.deepspeed_experts.{e}.up_proj.weight [out, in]  <->  blk.3.ffn_up_exps.weight [experts, out, in]

import { FormatError } from '../errors.ts';
import type { NameMap } from './ggufNames.ts';
import type { TensorFiles } from './tensors.ts';
import { type View, withViews } from './views.ts';

const EXPERTS = 'deepspeed_moe.experts.deepspeed_experts';

/** The stack that an expert's tensor belongs to, by its name on the hub; null for other tensors. `names`: hub names of dense layers -> GGUF names. */
export function expertPlace(hub: string, names: NameMap): { readonly stack: string; readonly expert: number } | null {
  const [, mlp, expert, rest] = /^(.*\.mlp\.)deepspeed_moe\.experts\.deepspeed_experts\.(\d+)\.(.+)$/.exec(hub) ?? [];
  const dense = mlp === undefined ? null : names(`${mlp}${rest}`);
  return dense === null ? null : { stack: dense.replace(/\.(weight|bias)$/, '_exps.$1'), expert: Number(expert) };
}

/**
 * The files with a tensor for each expert, under its hub name, in place of the stacks. `names`: GGUF names of dense layers -> hub names.
 * @throws FormatError `structure` for a stack that has no axis of experts
 */
export function unstacked(files: TensorFiles, names: NameMap): TensorFiles {
  const views: View[] = [];
  for (const { name, shape } of files.tensors.values()) {
    const [, stem, kind] = /^(blk\.\d+\.ffn_(?:gate|up|down))_exps\.(weight|bias)$/.exec(name) ?? [];
    const hub = stem === undefined ? null : names(`${stem}.${kind}`);
    if (hub === null) continue;
    const axes = kind === 'weight' ? 3 : 2;
    if (shape.length !== axes)
      throw new FormatError('structure', `${files.name}: ${name}: is no stack of experts: got [${shape}], ${axes} axes are expected`);
    for (let at = 0; at < shape[0]!; at++) views.push({ name: hub.replace('.mlp.', `.mlp.${EXPERTS}.${at}.`), of: name, at });
  }
  return views.length > 0 ? withViews(files, views) : files;
}
