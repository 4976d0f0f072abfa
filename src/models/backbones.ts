// Every language model family by the names that configs give it: `model_type` of the hub, the architecture of GGUF. A new one is its file and one line here.

import { UnsupportedError } from '../errors.ts';
import type { Backbone } from './backbone.ts';
import type { Config } from './config.ts';
import { llama, mistral, phi3 } from './llama.ts';
import { phi2 } from './phi2.ts';
import { qwen } from './qwen.ts';
import { qwen2 } from './qwen2.ts';
import { stablelm } from './stablelm.ts';

const FAMILIES: readonly (readonly [names: readonly string[], open: (c: Config) => Backbone])[] = [
  [['llama', '', 'share4v', 'InternLMXComposer'], llama],
  [['mistral'], mistral],
  [['phi3'], phi3],
  [['phi', 'phi2'], phi2],
  [['qwen2', 'qwen1_5', 'qwen1.5'], qwen2],
  [['qwen'], qwen],
  [['stablelm', 'stablelm_epoch'], stablelm],
];

/** The language model that a config describes: `llava_qwen2`, `moe_llava_phi`, `mistral`, ... and no `model_type` at all: LLaMA. */
export function backboneOf(config: Config): Backbone {
  const type = config.string('model_type', '');
  const name = type.replace(/^(.*_)?llava(_next|_mod)?(_|$)/, '');
  // TokenFlow and others call their Qwen 2 models llava_qwen: Qwen v1 has keys that Qwen 2 lacks.
  const later = name === 'qwen' && !config.has('kv_channels') && config.has('rope_theta') && !config.has('architecture');
  const family = FAMILIES.find(([names]) => names.includes(later ? 'qwen2' : name));
  if (!family) {
    const known = FAMILIES.flatMap(([names]) => names).filter((n) => n);
    throw new UnsupportedError(
      `${config.where}: model_type: got ${type}, expected one of ${known.join(', ')}, or llava_ before one of them`,
    );
  }
  return family[1](config);
}
