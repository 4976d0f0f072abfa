// Golden case llava-1.5/conv-templates: fields, rendered prompts, stop strings, ids with images.

import { existsSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { type Conversation, renderConversation, stopStrings } from '../chat/conversation.ts';
import { conversation } from '../chat/conversations.ts';
import { parsePrompt, tokenizeWithImages } from '../chat/imagePrompt.ts';
import { isImage, type PromptSegment, promptText } from '../chat/messages.ts';
import { openGguf } from '../formats/gguf.ts';
import { fileSource } from '../runtime/nodeFiles.ts';
import { tokenizerFromGguf } from '../tokenizer/gguf.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { assertSame, Mismatch } from './compare.ts';
import type { CaseRunner } from './runner.ts';

interface Fields {
  readonly system: string;
  readonly roles: readonly [string, string];
  readonly messages: readonly (readonly [string, string])[];
  readonly sep_style: string;
  readonly sep: string;
  readonly sep2: string | null;
}

interface Row {
  readonly template: string;
  readonly dialog: string;
  readonly messages: readonly (readonly ['user' | 'assistant', string | null])[];
  readonly prompt: string;
  readonly stop_cli: string | null;
  readonly stop_server: string | null;
  readonly ids_llama?: readonly number[];
  readonly ids_llama_legacy?: readonly number[];
}

function same(where: string, got: unknown, want: unknown): void {
  if (got !== want) throw new Mismatch(`${where}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

function checkFields(name: string, got: Conversation, want: Fields): void {
  same(`${name}: system`, got.system, want.system);
  assertSame(`${name}: roles`, got.roles, want.roles);
  same(`${name}: style`, got.style, want.sep_style);
  same(`${name}: sep`, got.sep, want.sep);
  same(`${name}: sep2`, got.sep2, want.sep2);
  assertSame(
    `${name}: messages`,
    got.example ?? [],
    want.messages.map((message) => message[1]),
  );
}

/** A message as users send it: its text is not special. */
const userSegments = (text: string): PromptSegment[] =>
  parsePrompt(text).map((segment) => (isImage(segment) ? segment : { ...segment, special: false }));

/** The vocabulary lies in another system's folder (or beside the case); without it only strings are compared. */
async function vocabulary(dir: string): Promise<{ modern: Tokenizer; legacy: Tokenizer } | null> {
  const path = ['../../tokenizers', '..'].map((folder) => join(dir, folder, 'ggml-vocab-llama-spm.gguf')).find(existsSync);
  if (path === undefined) return null;
  const file = await openGguf(fileSource(path));
  await file.close();
  return { modern: await tokenizerFromGguf(file.meta, { legacy: false }), legacy: await tokenizerFromGguf(file.meta) };
}

async function run(dir: string): Promise<void> {
  const read = (file: string): unknown => JSON.parse(readFileSync(join(dir, file), 'utf8'));
  const { templates } = read('templates.json') as { templates: Record<string, Fields> };
  for (const [name, fields] of Object.entries(templates)) checkFields(name, conversation(name), fields);

  const tokenizers = await vocabulary(dir);
  for (const row of (read('prompts.json') as { rows: readonly Row[] }).rows) {
    const where = `${row.template} ${row.dialog}`;
    const found = conversation(row.template);
    const turns = row.messages.map(([role, text]) => ({ role, content: text === null ? null : userSegments(text) }));
    const prompt = renderConversation(found, turns);
    same(`${where}: prompt`, promptText(prompt), row.prompt);
    const stops = stopStrings(found);
    same(`${where}: stop_cli`, stops.cli, row.stop_cli);
    same(`${where}: stop_server`, stops.server, row.stop_server);
    if (tokenizers === null || row.ids_llama === undefined) continue;
    assertSame(`${where}: ids of segments`, tokenizeWithImages(tokenizers.modern, prompt), row.ids_llama);
    assertSame(`${where}: ids of the string`, tokenizeWithImages(tokenizers.modern, row.prompt), row.ids_llama);
    assertSame(`${where}: legacy ids`, tokenizeWithImages(tokenizers.legacy, prompt), row.ids_llama_legacy ?? row.ids_llama);
  }

  if (tokenizers === null) return;
  const { rows } = read('splice.json') as { rows: readonly { prompt: string; ids: number[]; ids_no_bos_tokenizer: number[] }[] };
  for (const row of rows) {
    assertSame(JSON.stringify(row.prompt), tokenizeWithImages(tokenizers.modern, row.prompt), row.ids);
    assertSame(
      `${JSON.stringify(row.prompt)} without BOS`,
      tokenizeWithImages(tokenizers.modern, row.prompt, { bos: false }),
      row.ids_no_bos_tokenizer,
    );
  }
}

export const cases: readonly CaseRunner[] = [
  { matches: (system, name) => system === 'llava-1.5' && name === 'conv-templates', run }, //
];
