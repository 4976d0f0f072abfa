import assert from 'node:assert/strict';
import { test } from 'node:test';
import { FormatError, InputError, UnsupportedError } from '../../src/errors.ts';
import { openGguf } from '../../src/formats/gguf.ts';
import { bufferSource, type Folder } from '../../src/formats/source.ts';
import { fileSource, localFolder } from '../../src/runtime/nodeFiles.ts';
import { translate } from '../../src/tokenizer/expressions.ts';
import { tokenizerFromGguf } from '../../src/tokenizer/gguf.ts';
import { loadTokenizer } from '../../src/tokenizer/load.ts';
import { codePointBounds, mergeSymbols } from '../../src/tokenizer/mergeSymbols.ts';
import { readSentencepieceModel } from '../../src/tokenizer/sentencepieceModel.ts';
import { stringTable } from '../../src/tokenizer/stringTable.ts';
import type { Tokenizer } from '../../src/tokenizer/tokenizer.ts';
import { fixture } from '../fixtures.ts';

async function llama(legacy = true): Promise<Tokenizer> {
  const file = await openGguf(fileSource(fixture('tokenizer/ggml-vocab-llama-spm.gguf')));
  await file.close();
  return tokenizerFromGguf(file.meta, { legacy });
}

/** A folder of texts. */
function folder(files: Record<string, string>): Folder {
  const names = Object.keys(files);
  return {
    name: 'memory',
    list: async () => names,
    open: async (file) => bufferSource(new TextEncoder().encode(files[file]!), `memory/${file}`),
    folder: async () => null,
  };
}

test('control tokens count only where they are allowed', async () => {
  const t = await llama();
  assert.deepEqual(t.encode('</s>', { special: true }), [2]);
  assert.ok(!t.encode('</s>').includes(2));
  assert.equal(t.decode(t.encode('</s>')), '</s>');
  const ids = t.encodeSegments([
    { text: 'USER: ', special: true },
    { text: 'x</s>y', special: false },
    { text: '</s>', special: true },
  ]);
  assert.equal(ids.filter((id) => id === 2).length, 1);
  assert.equal(ids.at(-1), 2);
});

test('a control token must not span the border of two segments', async () => {
  const t = await llama();
  for (const special of [true, false]) {
    const ids = t.encodeSegments([
      { text: '</', special: true },
      { text: 's>', special },
    ]);
    assert.ok(!ids.includes(2));
  }
});

test('segments are encoded as one text', async () => {
  const t = await llama();
  const parts = [
    { text: 'USER: ', special: true },
    { text: 'What is this?', special: false },
    { text: ' ASSISTANT:', special: true },
  ];
  assert.deepEqual(t.encodeSegments(parts), t.encode('USER: What is this? ASSISTANT:', { special: true }));
});

test('sizes, ends and single tokens', async () => {
  const t = await llama();
  assert.equal(t.size, 32000);
  assert.deepEqual([t.bosId, t.eosId, t.addBos], [1, 2, true]);
  assert.deepEqual([...t.endOfGeneration], [2]);
  assert.deepEqual(t.encode('a', { bos: true }), [1, 263]);
  assert.equal(t.tokenId('</s>'), 2);
  assert.equal(t.tokenId(' the'), 278);
  assert.equal(t.tokenId('no such token'), null);
  assert.deepEqual(t.tokenToBytes(13), Uint8Array.of(10));
  assert.equal(t.decode([1, 15043, 2]), 'Hello');
  assert.equal(t.decode([1, 15043, 2], { special: true }), '<s> Hello</s>');
  assert.throws(() => t.tokenToBytes(32000), InputError);
  assert.throws(() => t.decode([-200]), InputError);
});

test('a stream holds back incomplete characters and shows broken ones', async () => {
  const t = await llama();
  const s = t.stream();
  const byte = (value: number): string => s.push(value + 3);
  assert.deepEqual([byte(0xf0), byte(0x9f), byte(0x98), byte(0x80)], ['', '', '', '\u{1f600}']);
  assert.equal(byte(0xef) + byte(0xbb) + byte(0xbf), '\ufeff');
  assert.equal(byte(0xff), '\ufffd');
  assert.equal(byte(0xe4), '');
  assert.equal(s.flush(), '\ufffd');
});

test('lone surrogates become U+FFFD, also at the border of segments', async () => {
  const t = await llama();
  assert.deepEqual(t.encode('a\ud83d'), t.encode('a\ufffd'));
  const split = t.encodeSegments([
    { text: '\ud83d', special: false },
    { text: '\ude00', special: false },
  ]);
  assert.deepEqual(split, t.encode('\ufffd\ufffd'));
});

// Anything quadratic would take many minutes.
test('100 000 characters in less than quadratic time', { timeout: 120_000 }, async () => {
  const t = await llama();
  const b = await loadTokenizer(localFolder(fixture('tokenizer/tiny-bpe')));
  for (const text of [' '.repeat(100_000), 'a'.repeat(100_000), 'The quick brown fox. '.repeat(4762)]) {
    for (const tokenizer of [t, b]) {
      const ids = tokenizer.encode(text);
      assert.equal(tokenizer.decode(ids), text);
    }
  }
});

test('10 000 random strings come back, normalised where the tokenizer normalises', async () => {
  let state = 1;
  const random = (n: number): number => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return state % n;
  };
  // ASCII and its controls, accents and combining marks, CJK, emoji.
  const ranges = [
    [0x20, 95],
    [0, 32],
    [0xa0, 0x500],
    [0x3000, 0x5000],
    [0x1f300, 0x500],
  ] as const;
  const character = (): number => {
    const [first, count] = ranges[random(ranges.length)]!;
    return first + random(count);
  };
  const strings = Array.from({ length: 10_000 }, () => String.fromCodePoint(...Array.from({ length: 1 + random(40) }, character)));
  const folders = ['tiny-bpe', 'tiny-spm', 'tiny-tiktoken'].map((name) => loadTokenizer(localFolder(fixture(`tokenizer/${name}`))));
  for (const [i, t] of (await Promise.all([llama(), ...folders])).entries()) {
    const isNormalising = t.decode(t.encode('e\u0301')) === '\u00e9';
    for (const text of strings) assert.equal(t.decode(t.encode(text)), isNormalising ? text.normalize('NFC') : text, `tokenizer ${i}`);
  }
});

test('merges: lowest rank first, leftmost on ties, as the quadratic definition', () => {
  let state = 7;
  const random = (n: number): number => {
    state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
    return (state >> 8) % n;
  };
  for (let round = 0; round < 300; round++) {
    const text = Array.from({ length: random(40) }, () => 'ab🙂c'.slice(random(2), 2 + random(3))).join('');
    const ranks = new Map<string, number>();
    const rank = (start: number, mid: number, end: number): number => {
      const key = `${text.slice(start, mid)} ${text.slice(mid, end)}`;
      if (!ranks.has(key)) ranks.set(key, random(3) === 0 ? -1 : random(4));
      return ranks.get(key)!;
    };
    const got = mergeSymbols(codePointBounds(text), rank);
    const want = codePointBounds(text);
    for (;;) {
      let best = -1;
      let lowest = Number.POSITIVE_INFINITY;
      for (let i = 0; i + 2 < want.length; i++) {
        const r = rank(want[i]!, want[i + 1]!, want[i + 2]!);
        if (r >= 0 && r < lowest) [best, lowest] = [i, r];
      }
      if (best < 0) break;
      want.splice(best + 1, 1);
    }
    assert.deepEqual(got, want);
  }
});

test('string tables find what a Map finds', () => {
  const strings = Array.from({ length: 500 }, (_, i) => (i % 7 === 0 ? '' : `${'ab\u00e9\u{1f600}'.slice(i % 3)}${i % 90} x${i % 11}`));
  const first = new Map([...strings.entries()].reverse().map(([i, text]) => [text, i]));
  const last = new Map(strings.map((text, i) => [text, i]));
  const tables = { first: stringTable(strings, 'first'), last: stringTable(strings, 'last') };
  for (const text of [...strings, 'no', 'ab', ' ']) {
    const want = (map: Map<string, number>): number => (text === '' ? -1 : (map.get(text) ?? -1));
    assert.equal(tables.first.find(text), want(first));
    assert.equal(tables.last.find(`<${text}>`, 1, text.length + 1), want(last));
    const space = text.indexOf(' ');
    if (space > 0) assert.equal(tables.first.findPair(text.replace(' ', ''), 0, space, text.length - 1), want(first));
  }
  assert.equal(stringTable(strings, 'last', () => false).find(strings[1]!), -1);
});

test('vocabulary JSON: escapes, white space, keys that look like its own', async () => {
  const json = `{"added_tokens":[{"id":9,"content":"\\"vocab\\": {","special":true}],
    "model" : { "type":"BPE", "vocab" : { "\\u0061" : 0 , "\\"":1,"\\\\":2, "vocab":3,"a\\"":4,"merges":5} , "merges" : [ "a \\"" ] } }`;
  const t = await loadTokenizer(folder({ 'tokenizer.json': json }));
  assert.deepEqual(t.encode('a"\\'), [4, 2]);
  assert.deepEqual(t.encode('"vocab": {', { special: true }), [9]);
  assert.equal(t.tokenId('merges'), 5);
  const broken = (vocab: string) => loadTokenizer(folder({ 'tokenizer.json': `{"model":{"type":"BPE","vocab":${vocab},"merges":[]}}` }));
  for (const vocab of ['{"a":0', '{"a" 0}', '{"a":-1}', '{"a":x}', '{"a', '{"a":0,}', '{"\\x":0}'])
    await assert.rejects(broken(vocab), { code: 'format' });
});

test('unknown components are refused by name', async () => {
  const model = { type: 'BPE', vocab: { a: 0 }, merges: [] };
  const load = (parts: object): Promise<Tokenizer> => loadTokenizer(folder({ 'tokenizer.json': JSON.stringify({ model, ...parts }) }));
  await load({});
  const refused = (name: RegExp) => (error: unknown) => error instanceof UnsupportedError && name.test(error.message);
  await assert.rejects(load({ normalizer: { type: 'BertNormalizer' } }), refused(/BertNormalizer/));
  await assert.rejects(load({ pre_tokenizer: { type: 'Whitespace' } }), refused(/Whitespace/));
  await assert.rejects(load({ decoder: { type: 'WordPiece' } }), refused(/WordPiece/));
  await assert.rejects(load({ post_processor: { type: 'BertProcessing' } }), refused(/BertProcessing/));
  await assert.rejects(load({ model: { ...model, type: 'Unigram' } }), refused(/Unigram/));
  await assert.rejects(load({ pre_tokenizer: { type: 'Split', pattern: { Regex: 'a++' }, behavior: 'Isolated' } }), refused(/possessive/));
  await assert.rejects(loadTokenizer(folder({ 'vocab.json': '{}', 'merges.txt': '' })), InputError);
  await assert.rejects(loadTokenizer(folder({})), InputError);
});

test('broken files are refused with their class', async () => {
  await assert.rejects(loadTokenizer(folder({ 'tokenizer.json': '{' })), { code: 'format' });
  await assert.rejects(loadTokenizer(folder({ 'qwen.tiktoken': 'IQ== 99999999999\n' })), { code: 'limit' });
  await assert.rejects(loadTokenizer(folder({ 'qwen.tiktoken': '*** 0\n' })), { code: 'structure' });
  assert.throws(() => readSentencepieceModel(Uint8Array.of(0x0a, 200, 1), 'x'), { code: 'truncated' });
  assert.throws(() => readSentencepieceModel(new Uint8Array(0), 'x'), FormatError);
  // A unigram model (the default type) with one piece.
  assert.throws(() => readSentencepieceModel(Uint8Array.of(0x0a, 3, 0x0a, 1, 97), 'x'), UnsupportedError);
});

test('tokens named like properties of objects are tokens', async () => {
  const vocab = '{"_":0,"_p":1,"__":2,"__proto__":3,"constructor":4}';
  const json = `{"model":{"type":"BPE","vocab":${vocab},"merges":[],"ignore_merges":true}}`;
  const t = await loadTokenizer(folder({ 'tokenizer.json': json }));
  assert.deepEqual(t.encode('__proto__'), [3]);
  assert.deepEqual(t.encode('constructor'), [4]);
  assert.equal(t.size, 5);
});

test('expressions: white space is Unicode White_Space, case folding is exact', () => {
  const space = translate('\\s+', 'x');
  assert.equal('a\u0085b\ufeffc'.replace(space, '_'), 'a_b\ufeffc');
  const contraction = translate("(?i:'s|'ll)", 'x');
  assert.deepEqual("'S 'L 'lL '\u017f".match(contraction), ["'S", "'lL", "'\u017f"]);
});
