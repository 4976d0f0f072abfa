// Golden cases of the file formats.

import type { CaseRunner } from './runner.ts';

export const cases: readonly CaseRunner[] = [];
