// All runners of the golden harness: one line per file.

import { cases as conversations } from './conversations.ts';
import { cases as convert } from './convert.ts';
import { cases as derived } from './derived.ts';
import { cases as dynamicLlava } from './dynamicLlava.ts';
import { cases as formats } from './formats.ts';
import { cases as ggufModels } from './ggufModels.ts';
import { cases as llava15 } from './llava15.ts';
import { cases as llavaMod } from './llavaMod.ts';
import { cases as moe } from './moe.ts';
import { cases as mqt } from './mqt.ts';
import { cases as preprocess } from './preprocess.ts';
import { cases as pruning } from './pruning.ts';
import { cases as quantize } from './quantize.ts';
import type { CaseRunner } from './runner.ts';
import { cases as sampling } from './sampling.ts';
import { cases as tokenizers } from './tokenizers.ts';
import { cases as torchBin } from './torchBin.ts';
import { cases as uhd } from './uhd.ts';
import { cases as workflows } from './workflows.ts';

export const runners: readonly CaseRunner[] = [
  ...formats,
  ...torchBin,
  ...conversations,
  ...sampling,
  ...tokenizers,
  ...preprocess,
  ...llava15,
  ...derived,
  ...ggufModels,
  ...mqt,
  ...quantize,
  ...uhd,
  ...pruning,
  ...dynamicLlava,
  ...convert,
  ...workflows,
  ...moe,
  ...llavaMod,
];
