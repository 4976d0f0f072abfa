// All runners of the golden harness: one line per file.

import { cases as formats } from './formats.ts';
import type { CaseRunner } from './runner.ts';

export const runners: readonly CaseRunner[] = [
  ...formats, //
];
