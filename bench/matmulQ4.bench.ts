import type { Case } from './harness.ts';
import { matmulCases } from './matmul.ts';

export const cases: readonly Case[] = matmulCases('packed-q4');
