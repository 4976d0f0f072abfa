// GGUF files that pumice wrote: llama.cpp's names, and the config as JSON. See src/convert/fromHub.ts for the keys.

import { chatTemplateFromGguf } from '../chat/templateSource.ts';
import { unstacked } from '../formats/experts.ts';
import type { GgufFile } from '../formats/gguf.ts';
import { clipHubNames, languageHubNames } from '../formats/ggufNames.ts';
import { renamed } from '../formats/renamed.ts';
import type { GgufTokenizerOptions } from '../tokenizer/gguf.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { Config } from './config.ts';
import type { Checkpoint } from './model.ts';
import { PACKED_KEY, packedTensors } from './packedLayout.ts';

/** Whether the file has a config of ours. */
export const isOwn = (file: GgufFile): boolean => file.metadata.has('pumice.config');

/** The tokenizer of a file that has one. */
export async function ggufTokenizer({ meta }: GgufFile, options?: GgufTokenizerOptions): Promise<Tokenizer | undefined> {
  return meta.has('tokenizer.ggml.model') ? (await import('../tokenizer/gguf.ts')).tokenizerFromGguf(meta, options) : undefined;
}

/** Opens it. Throws FormatError where the JSON is broken. */
export function openOwn(file: GgufFile): Checkpoint {
  const { meta, name } = file;
  const json = (key: string): Config => Config.parse(`${name}: ${key}`, meta.string(key));
  const architecture = meta.string('general.architecture');
  const language = languageHubNames(architecture);
  const clip = clipHubNames(file, meta.u32('clip.vision.embedding_length', 0));
  const hasVision = meta.has('pumice.vision');
  const config = json('pumice.config').with({
    ...(architecture === 'llama' ? { rope_pairing: 'interleaved' } : {}),
    ...(hasVision ? { mm_vision_tower: 'inside' } : {}),
  });
  const template = chatTemplateFromGguf(meta);
  const legacy = meta.bool('pumice.tokenizer.legacy', true);
  return {
    name: meta.string('general.name', name),
    config,
    files: meta.has(PACKED_KEY)
      ? packedTensors(file)
      : renamed(language ? unstacked(file, language) : file, (n) => language?.(n) ?? clip(n) ?? n),
    tokenizer: () => ggufTokenizer(file, { legacy }),
    ...(template !== null && { chatTemplate: template }),
    ...(hasVision ? { vision: { config: json('pumice.vision'), preprocessor: json('pumice.preprocessor') } } : {}),
  };
}
