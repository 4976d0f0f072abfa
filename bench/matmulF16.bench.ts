import type { Case } from './harness.ts';
import { matmulCases } from './matmul.ts';

export const cases: readonly Case[] = [...matmulCases('packed-f16'), ...matmulCases('packed-bf16')];
