// The components of tokenizer.json: normalizers, pre-tokenizers, post-processors, decoders.

import { FormatError, UnsupportedError } from '../errors.ts';
import { isObject } from '../formats/json.ts';
import { splitIsolated } from './bpe.ts';
import { toAlphabet } from './byteAlphabet.ts';
import { namedExpression, translate, WHITE_SPACE } from './expressions.ts';
import { SPACE_MARK, type Spelling } from './tokenTable.ts';

type Component = Readonly<Record<string, unknown>>;
type TextStep = (text: string) => string;
type WordStep = (words: readonly string[], atStart: boolean) => readonly string[];

function refuse(where: string, kind: string, what: unknown): never {
  throw new UnsupportedError(`${where}: ${kind}: got ${JSON.stringify(what)}, this one is not supported`);
}

/** A component's sequence of components: one, those of `Sequence`, or none for null. */
function flatten(value: unknown, list: string, where: string): Component[] {
  if (value === null || value === undefined) return [];
  if (!isObject(value) || typeof value.type !== 'string') {
    throw new FormatError('structure', `${where}: a component has a type: got ${JSON.stringify(value)?.slice(0, 60)}`);
  }
  if (value.type !== 'Sequence') return [value];
  const inner = value[list];
  if (!Array.isArray(inner))
    throw new FormatError('structure', `${where}: a Sequence has a list ${list}: got ${JSON.stringify(inner)?.slice(0, 60)}`);
  return inner.flatMap((item) => flatten(item, list, where));
}

function pattern(component: Component, where: string): RegExp | string {
  const { pattern } = component;
  if (isObject(pattern) && typeof pattern.String === 'string') return pattern.String;
  if (isObject(pattern) && typeof pattern.Regex === 'string') return translate(pattern.Regex, where);
  return refuse(where, `pattern of ${String(component.type)}`, pattern);
}

/** `normalizer` as a function. */
export function readNormalizer(value: unknown, where: string): TextStep {
  const steps = flatten(value, 'normalizers', where).map((component): TextStep => {
    switch (component.type) {
      case 'NFC':
        return (text) => text.normalize('NFC');
      case 'Prepend': {
        const prefix = String(component.prepend);
        return (text) => (text === '' ? '' : prefix + text);
      }
      case 'Replace': {
        const from = pattern(component, where);
        const to = String(component.content);
        return (text) => text.replaceAll(from, () => to);
      }
      default:
        return refuse(where, 'normalizer', component.type);
    }
  });
  return (text) => steps.reduce((result, step) => step(result), text);
}

/** `pre_tokenizer` as a function; `alphabet` says whether words come out in GPT-2's byte alphabet. */
export function readPreTokenizer(
  value: unknown,
  where: string,
): { split(text: string, atStart: boolean): readonly string[]; alphabet: boolean } {
  const components = flatten(value, 'pretokenizers', where);
  const steps = components.map((component): WordStep => {
    switch (component.type) {
      case 'Split':
        return splitStep(component, where);
      case 'ByteLevel':
        return byteLevelStep(component, where);
      case 'Metaspace':
        return metaspaceStep(component, where);
      case 'Digits': {
        const digits = component.individual_digits === true ? /\p{N}/gu : /\p{N}+/gu;
        return (words) => words.flatMap((word) => splitIsolated(word, digits));
      }
      default:
        return refuse(where, 'pre-tokenizer', component.type);
    }
  });
  return {
    split: (text, atStart) => (text === '' ? [] : steps.reduce<readonly string[]>((words, step) => step(words, atStart), [text])),
    alphabet: components.some((component) => component.type === 'ByteLevel'),
  };
}

function splitStep(component: Component, where: string): WordStep {
  const found = pattern(component, where);
  const expression = typeof found === 'string' ? new RegExp(found.replace(/[\\^$.*+?()[\]{}|/]/g, '\\$&'), 'gu') : found;
  const { behavior, invert } = component;
  if (behavior === 'Isolated') return (words) => words.flatMap((word) => splitIsolated(word, expression));
  if (behavior !== 'Removed') return refuse(where, 'behavior of Split', behavior);
  if (invert === true) return (words) => words.flatMap((word) => word.match(expression)?.filter((match) => match !== '') ?? []);
  return (words) => words.flatMap((word) => word.split(expression).filter((rest) => rest !== ''));
}

function byteLevelStep(component: Component, where: string): WordStep {
  const expression = component.use_regex === false ? null : namedExpression('gpt-2', where);
  const prefix = component.add_prefix_space === true;
  const space = new RegExp(`^${WHITE_SPACE}`, 'u');
  return (words) =>
    words.flatMap((word) => {
      const text = prefix && !space.test(word) ? ` ${word}` : word;
      return (expression ? splitIsolated(text, expression) : [text]).map(toAlphabet);
    });
}

function metaspaceStep(component: Component, where: string): WordStep {
  const mark = typeof component.replacement === 'string' ? component.replacement : SPACE_MARK;
  // Older files have add_prefix_space instead of the scheme.
  const scheme = component.prepend_scheme ?? (component.add_prefix_space === false ? 'never' : 'always');
  if (scheme !== 'always' && scheme !== 'first' && scheme !== 'never') return refuse(where, 'prepend_scheme of Metaspace', scheme);
  const split = component.split !== false;
  return (words, atStart) =>
    words.flatMap((word, i) => {
      let text = word.replaceAll(' ', mark);
      if ((scheme === 'always' || (scheme === 'first' && atStart && i === 0)) && !text.startsWith(mark)) text = mark + text;
      if (!split) return [text];
      return text.split(mark).flatMap((part, at) => (at === 0 ? (part === '' ? [] : [part]) : [mark + part]));
    });
}

/** Texts of the tokens that `post_processor` puts in front. */
export function leadingTokens(value: unknown, where: string): readonly string[] {
  const out: string[] = [];
  for (const component of flatten(value, 'processors', where)) {
    if (component.type === 'ByteLevel') continue;
    if (component.type !== 'TemplateProcessing' || !Array.isArray(component.single)) return refuse(where, 'post-processor', component.type);
    const steps = component.single as unknown[];
    const text = steps.findIndex((step) => isObject(step) && step.Sequence !== undefined);
    if (text !== steps.length - 1 || text > 1) return refuse(where, 'template of TemplateProcessing', component.single);
    const first = steps[0];
    if (text === 1 && isObject(first) && isObject(first.SpecialToken)) out.push(String(first.SpecialToken.id));
  }
  return out;
}

/** What `decoder` says about the spelling of tokens. */
export function readDecoder(value: unknown, alphabet: boolean, where: string): { spelling: Spelling; dropLeadingSpace: boolean } {
  let spelling: Spelling = alphabet ? 'alphabet' : 'plain';
  let dropLeadingSpace = false;
  for (const component of flatten(value, 'decoders', where)) {
    switch (component.type) {
      case 'ByteLevel':
        spelling = 'alphabet';
        break;
      case 'Metaspace':
        spelling = 'sentencepiece';
        dropLeadingSpace = component.prepend_scheme !== 'never' && component.add_prefix_space !== false;
        break;
      case 'Replace':
        if (!isObject(component.pattern) || component.pattern.String !== SPACE_MARK || component.content !== ' ') {
          return refuse(where, 'decoder Replace', component.pattern);
        }
        spelling = 'sentencepiece';
        break;
      case 'ByteFallback':
      case 'Fuse':
        break;
      case 'Strip':
        if (component.content !== ' ' || component.stop !== 0) return refuse(where, 'decoder Strip', component);
        dropLeadingSpace = component.start === 1;
        break;
      default:
        return refuse(where, 'decoder', component.type);
    }
  }
  return { spelling, dropLeadingSpace };
}
