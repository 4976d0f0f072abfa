// Byte-level vocabularies of GGUF files.

import { UnsupportedError } from '../errors.ts';
import type { Common } from './assemble.ts';
import { byteLevelTokenizer } from './byteLevelTokenizer.ts';
import { namedExpression } from './expressions.ts';
import type { TokenizerMetadata } from './gguf.ts';
import { stringTable } from './stringTable.ts';
import type { Tokenizer } from './tokenizer.ts';
import { CONTROL, type TokenList, UNKNOWN, USER_DEFINED } from './tokenTable.ts';

const K = 'tokenizer.ggml.';

/** The tokenizer of pieces with their kinds; the pre-tokenizer and the merges are the file's. */
export function byteLevelFromGguf(meta: TokenizerMetadata, pieces: TokenList, common: Common): Tokenizer {
  const ids = stringTable(pieces.texts, 'last', (id) => ![CONTROL, UNKNOWN, USER_DEFINED].includes(pieces.kinds[id]!));
  const named = meta.string(`${K}pre`, 'default');
  const name = named === 'default' || named === '' ? oldFileExpression(meta) : named;
  const expression = namedExpression(name, `${K}pre`);
  const merges = stringTable(meta.strings(`${K}merges`), 'first');
  const ignoreMerges = name.startsWith('llama');
  return byteLevelTokenizer(
    { ids, merges, ignoreMerges, byteFallback: false, unkId: null, fuseUnk: false },
    pieces,
    common,
    expression,
    false,
  );
}

/** Old files do not name their pre-tokenizer; the architecture tells. */
function oldFileExpression(meta: TokenizerMetadata): string {
  const architecture = meta.string('general.architecture', '');
  if (/^(qwen|qwen2.*|stablelm)$/.test(architecture)) return 'qwen2';
  if (architecture === 'phi2' || architecture === 'gpt2') return 'gpt-2';
  throw new UnsupportedError(
    `${K}pre: the file does not name its pre-tokenizer: got ${JSON.stringify(meta.string(`${K}pre`, ''))} for architecture ${JSON.stringify(architecture)}, convert the model with a newer converter`,
  );
}
