// Names of models on a hub, and which files of a repository a model is.

import { InputError } from '../errors.ts';

export interface HubName {
  /** `org/name`. */
  readonly repository: string;
  /** Branch, tag or commit. */
  readonly revision: string;
  /** Which of several GGUF files: `Q4_K_M`. */
  readonly quant?: string;
}

const NAME = /^([\w][\w.-]*\/[\w][\w.-]*?)(?:@([\w.-]+))?(?::([\w.-]+))?$/;

/** `org/name`, `org/name:quant`, `org/name@revision:quant`; null for what cannot be one. */
export function hubName(text: string): HubName | null {
  const [, repository, revision = 'main', quant] = NAME.exec(text) ?? [];
  if (repository === undefined || /\.(gguf|safetensors|bin)$/i.test(repository)) return null;
  return { repository, revision, ...(quant === undefined ? {} : { quant }) };
}

/** Files to bring: a directory as it is, or a GGUF file with its other parts and its projector. */
export type HubChoice =
  | { readonly kind: 'folder'; readonly files: readonly string[] }
  | { readonly kind: 'gguf'; readonly model: string; readonly mmproj?: string; readonly files: readonly string[] };

const SMALL = /^[^/]+\.(json|model|tiktoken|txt|jinja)$/;
const PART = /-(\d{5})-of-\d{5}\.gguf$/;
/** Best first, for those who do not say. */
const PREFERRED = ['q4_k_m', 'q4_k', 'q5_k_m', 'q4_0', 'q8_0', 'f16'];

/** Chooses by the names of a repository's files. Throws InputError where none or several fit; the message lists them. */
export function chooseFiles(name: HubName, files: readonly string[]): HubChoice {
  const ggufs = files.filter((file) => file.toLowerCase().endsWith('.gguf'));
  const models = ggufs.filter((file) => !/mmproj/i.test(file) && (PART.exec(file)?.[1] ?? '00001') === '00001');
  const weights = weightsOf(files);
  if (name.quant === undefined && files.includes('config.json') && weights.length > 0)
    return { kind: 'folder', files: [...files.filter((file) => SMALL.test(file)), ...weights] };
  if (models.length === 0) {
    throw new InputError(
      `${name.repository}: has no ${name.quant === undefined ? 'weights' : 'GGUF files'}: it has ${files.slice(0, 12).join(', ') || 'no files'}`,
    );
  }
  const model = chooseGguf(name, models);
  const prefix = model.replace(PART, '');
  const parts = PART.test(model) ? ggufs.filter((file) => file.replace(PART, '') === prefix) : [model];
  const projectors = ggufs.filter((file) => /mmproj/i.test(file));
  const mmproj = projectors.find((file) => /[-_.]f16/i.test(file)) ?? projectors[0];
  return { kind: 'gguf', model, ...(mmproj === undefined ? {} : { mmproj }), files: [...parts, ...(mmproj === undefined ? [] : [mmproj])] };
}

function chooseGguf({ repository, quant }: HubName, models: readonly string[]): string {
  const ends = (file: string, type: string): boolean =>
    file
      .toLowerCase()
      .replace(PART, '.gguf')
      .search(new RegExp(`(^|[-_./])${escaped(type)}\\.gguf$`)) >= 0;
  const fitting = quant === undefined ? models : models.filter((file) => ends(file, quant.toLowerCase()));
  if (fitting.length === 1) return fitting[0]!;
  if (quant === undefined) {
    for (const type of PREFERRED) {
      const found = models.find((file) => ends(file, type));
      if (found !== undefined) return found;
    }
  }
  throw new InputError(
    `${repository}: ${quant === undefined ? 'several models' : `${fitting.length} files for ${quant}`}: name one as ${repository}:<quant>: it has ${models.join(', ')}`,
  );
}

const escaped = (text: string): string => text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&');

/** safetensors, else PyTorch's files; of the top folder only. */
function weightsOf(files: readonly string[]): string[] {
  const top = files.filter((file) => !file.includes('/'));
  const safe = top.filter((file) => file.endsWith('.safetensors'));
  const main = safe.some((file) => /^model[.-]/.test(file)) ? safe : top.filter((file) => /^(pytorch_model|model).*\.bin$/.test(file));
  const projector = top.filter((file) => /^(mm_projector|adapter_model|non_lora_trainables)\.(bin|safetensors)$/.test(file));
  return main.length === 0 ? [] : [...new Set([...main, ...projector])];
}
