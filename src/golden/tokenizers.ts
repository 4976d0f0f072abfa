// Golden cases of the tokenizers: ids of difficult texts, decoded texts, streams.

import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { openGguf } from '../formats/gguf.ts';
import { fileSource, localFolder } from '../runtime/nodeFiles.ts';
import { type TokenizerMetadata, tokenizerFromGguf } from '../tokenizer/gguf.ts';
import { loadTokenizer } from '../tokenizer/load.ts';
import type { Tokenizer } from '../tokenizer/tokenizer.ts';
import { NORMAL, SPACE_MARK, USER_DEFINED } from '../tokenizer/tokenTable.ts';
import { assertSame, Mismatch } from './compare.ts';
import type { CaseRunner } from './runner.ts';

type Row = Readonly<Record<string, unknown>> & { readonly text: string };
type Fixture = Readonly<Record<string, string>>;

const readJson = (path: string): unknown => JSON.parse(readFileSync(path, 'utf8'));
const rowsOf = (path: string): readonly Row[] => (readJson(path) as { strings: readonly Row[] }).strings;
const ids = (row: Row, key: string): readonly number[] => row[key] as readonly number[];
const named = (where: string, row: Row): string =>
  `${where}: ${JSON.stringify(row.text.length > 60 ? `${row.text.slice(0, 60)}...` : row.text)}`;

function same(where: string, got: unknown, want: unknown): void {
  if (got !== want) throw new Mismatch(`${where}: got ${JSON.stringify(got)}, want ${JSON.stringify(want)}`);
}

async function metadata(path: string): Promise<TokenizerMetadata> {
  const file = await openGguf(fileSource(path));
  await file.close();
  return file.meta;
}

/** The same vocabulary with more user-defined tokens. */
function withAdded(meta: TokenizerMetadata, added: Readonly<Record<string, number>>): TokenizerMetadata {
  const tokens = [...meta.strings('tokenizer.ggml.tokens')];
  const types = [...meta.numbers('tokenizer.ggml.token_type', new Array<number>(tokens.length).fill(NORMAL))];
  for (const [text, id] of Object.entries(added)) {
    tokens[id] = text;
    types[id] = USER_DEFINED;
  }
  return {
    has: (key) => meta.has(key),
    u32: (key, fallback) => meta.u32(key, fallback),
    bool: (key, fallback) => meta.bool(key, fallback),
    string: (key, fallback) => meta.string(key, fallback),
    strings: (key, fallback) => (key === 'tokenizer.ggml.tokens' ? tokens : meta.strings(key, fallback)),
    numbers: (key, fallback) => (key === 'tokenizer.ggml.token_type' ? types : meta.numbers(key, fallback)),
  };
}

/** Top-level fixtures of the folder, as its index.json lists them. */
async function vocabularies(dir: string): Promise<void> {
  const { fixtures } = readJson(join(dir, 'index.json')) as { fixtures: readonly Fixture[] };
  for (const fixture of fixtures) {
    if (fixture.kind === 'files') continue;
    const meta = await metadata(join(dir, fixture.vocab!));
    if (fixture.kind === 'vocab') {
      const path = join(dir, fixture.expected!);
      const { added_tokens } = readJson(path) as { added_tokens?: Record<string, number> };
      if (added_tokens) {
        // These ids are the hub's, which always parses control tokens.
        const tokenizer = await tokenizerFromGguf(withAdded(meta, added_tokens));
        for (const row of rowsOf(path))
          assertSame(named(fixture.expected!, row), tokenizer.encode(row.text, { special: true }), ids(row, 'ids'));
      } else vocabulary(fixture.expected!, await tokenizerFromGguf(meta), rowsOf(path));
    } else if (fixture.kind === 'inp-out') {
      const texts = readFileSync(join(dir, fixture.texts!), 'utf8').split(fixture.separator!);
      const lines = readFileSync(join(dir, fixture.ids!), 'utf8').split('\n');
      const tokenizer = await tokenizerFromGguf(meta);
      for (const [i, line] of lines.entries()) {
        if (i >= texts.length) continue;
        assertSame(`${fixture.ids} line ${i + 1}`, tokenizer.encode(texts[i]!), line.split(' ').filter(Boolean).map(Number));
      }
    } else if (fixture.kind === 'stream') {
      stream(join(dir, fixture.expected!), await tokenizerFromGguf(meta));
    } else {
      throw new Mismatch(`index.json: unknown kind of fixture ${fixture.kind}`);
    }
  }
}

function vocabulary(where: string, tokenizer: Tokenizer, rows: readonly Row[]): void {
  for (const row of rows) {
    const got = tokenizer.encode(row.text);
    assertSame(named(where, row), got, ids(row, 'ids'));
    if (row.ids_special)
      assertSame(`${named(where, row)} special`, tokenizer.encode(row.text, { special: true, bos: true }), ids(row, 'ids_special'));
    if (row.roundtrip === true) same(`${named(where, row)} decoded`, tokenizer.decode(got), row.text);
  }
}

/** A sequence token by token, or one cut inside a character. */
interface Sequence {
  readonly text?: string;
  /** [id, base64 of the piece, text to emit]. */
  readonly steps?: readonly (readonly [number, string, string])[];
  readonly flush?: string;
  readonly ids_cut?: readonly number[];
  readonly pieces?: readonly string[];
  readonly text_after_flush?: string;
}

function stream(path: string, tokenizer: Tokenizer): void {
  const { sequences } = readJson(path) as { sequences: readonly Sequence[] };
  const base64 = (id: number): string => Buffer.from(tokenizer.tokenToBytes(id)).toString('base64');
  const out = tokenizer.stream();
  for (const sequence of sequences) {
    const where = `stream of ${JSON.stringify(sequence.text ?? sequence.ids_cut)}`;
    for (const [id, piece, text] of sequence.steps ?? []) {
      same(`${where}: bytes of ${id}`, base64(id), piece);
      same(`${where}: text after ${id}`, out.push(id), text);
    }
    const cut = sequence.ids_cut ?? [];
    assertSame(`${where}: pieces`, cut.map(base64), sequence.pieces ?? []);
    const text = cut.map((id) => out.push(id)).join('') + out.flush();
    same(`${where}: all text`, text, sequence.flush ?? sequence.text_after_flush);
  }
}

/**
 * The hub's slow decoding: it takes the prefix off the first piece of a run and lets sentencepiece take off another; what is left of the first piece
 * is shown as it stands where it is no piece of its own. Added tokens that are not special get spaces around them.
 */
function slowDecode(tokenizer: Tokenizer, list: readonly number[], base: number): string {
  const out: string[] = [];
  let run: number[] = [];
  const close = (): void => {
    const first = run.length === 0 ? '' : tokenizer.stream().push(run[0]!);
    const rest = first.slice(1);
    if (first.startsWith(' ') && rest !== '' && tokenizer.tokenId(rest) === null) {
      out.push(rest.replaceAll(' ', SPACE_MARK) + tokenizer.decode(run).slice(rest.length));
    } else if (run.length > 0) out.push(first.startsWith(' ') ? tokenizer.decode(run).replace(/^ /, '') : tokenizer.decode(run));
    run = [];
  };
  for (const id of list) {
    if (tokenizer.isControl(id) || id === 0) continue;
    if (id < base) run.push(id);
    else {
      close();
      out.push(tokenizer.decode([id]));
    }
  }
  close();
  return out.join(' ');
}

async function tinySentencepiece(dir: string): Promise<void> {
  const folder = localFolder(dir);
  const legacy = await loadTokenizer(folder);
  const modern = await loadTokenizer(folder, { legacy: false });
  const fast = await loadTokenizer(folder, { file: 'tokenizer.json' });
  for (const row of rowsOf(join(dir, 'ids.json'))) {
    const where = named('tiny-spm', row);
    const special = { special: true, bos: true } as const;
    const plain = legacy.encode(row.text);
    assertSame(`${where} sentencepiece`, plain, ids(row, 'sentencepiece'));
    same(`${where} decode_sentencepiece`, legacy.decode(plain), row.decode_sentencepiece);
    const slow = legacy.encode(row.text, special);
    assertSame(`${where} hub_slow_legacy`, slow, ids(row, 'hub_slow_legacy'));
    same(`${where} decode_hub_slow_legacy`, slowDecode(legacy, slow, 1000), row.decode_hub_slow_legacy);
    assertSame(`${where} hub_slow_new`, modern.encode(row.text, special), ids(row, 'hub_slow_new'));
    assertSame(`${where} hub_fast`, fast.encode(row.text, special), ids(row, 'hub_fast'));
  }
}

async function tinyByteLevel(dir: string): Promise<void> {
  const folder = localFolder(dir);
  const hub = await loadTokenizer(folder);
  const bare = await loadTokenizer(folder, { file: 'vocab.json', pre: 'qwen2' });
  for (const row of rowsOf(join(dir, 'ids.json'))) {
    const where = named('tiny-bpe', row);
    const got = hub.encode(row.text, { special: true });
    assertSame(where, got, ids(row, 'ids'));
    same(`${where} decode`, hub.decode(got, { special: true }), row.decode);
    same(`${where} decode_skip_special`, hub.decode(got), row.decode_skip_special);
    // vocab.json has the same pieces without the added tokens: comparable where none occurs.
    if (!got.some((id) => id === 323 || id >= 900)) assertSame(`${where} vocab.json`, bare.encode(row.text), got);
  }
}

async function tinyTiktoken(dir: string): Promise<void> {
  const tokenizer = await loadTokenizer(localFolder(dir));
  for (const row of rowsOf(join(dir, 'ids.json'))) {
    assertSame(named('tiny-tiktoken', row), tokenizer.encode(row.text, { special: true }), ids(row, 'ids'));
    assertSame(`${named('tiny-tiktoken', row)} plain`, tokenizer.encode(row.text), ids(row, 'ids_no_special'));
  }
}

const RUNS: ReadonlyMap<string, (dir: string) => Promise<void>> = new Map([
  ['', vocabularies],
  ['tiny-spm', tinySentencepiece],
  ['tiny-bpe', tinyByteLevel],
  ['tiny-tiktoken', tinyTiktoken],
]);

/** `tokenizers` itself is one case (name '', its index.json lists the fixtures) and its folders are three more. */
export const cases: readonly CaseRunner[] = [...RUNS].map(([name, run]) => ({
  matches: (system, caseName) => system === 'tokenizers' && caseName === name,
  run,
}));
