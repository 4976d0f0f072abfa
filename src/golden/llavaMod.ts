// LLaVA-MoD: sparse students.

import { modelCase } from './moeCase.ts';
import type { CaseRunner } from './runner.ts';

const models: CaseRunner = {
  matches: (system, name) => system === 'llava-mod' && /^qwen/.test(name),
  run: modelCase,
};

export const cases: readonly CaseRunner[] = [models];
