// What the rest of pumice knows about a tokenizer: text -> ids -> bytes.

/** A run of text. `special` allows the texts of control tokens in it to become those tokens; text from users never does. */
export interface TextSegment {
  readonly text: string;
  readonly special: boolean;
}

/** Options of {@link Tokenizer.encode}. */
export interface EncodeOptions {
  /** Parse the texts of control tokens (`</s>`, `<|im_end|>`, ...) as those tokens. Default false: they are ordinary text. */
  readonly special?: boolean;
  /** Put the beginning-of-sequence token in front, where the vocabulary asks for one (`addBos`). Default false. */
  readonly bos?: boolean;
}

/** Options of {@link Tokenizer.decode} and {@link Tokenizer.stream}. */
export interface DecodeOptions {
  /** Keep the texts of control tokens. Default false: they give nothing. */
  readonly special?: boolean;
}

/** Turns ids into text one by one; emits whole UTF-8 characters only. */
export interface TokenStream {
  /** Text that became complete with this token. Bytes that can never become a character give U+FFFD. */
  push(id: number): string;
  /** The rest: an incomplete character becomes U+FFFD. The stream can be used again afterwards. */
  flush(): string;
}

/** One vocabulary with its rules. Immutable but for an internal cache. */
export interface Tokenizer {
  /** Number of ids: the largest one plus one. Rows of the embedding beyond it are padding and must never be sampled. */
  readonly size: number;
  readonly bosId: number | null;
  readonly eosId: number | null;
  /** Whether this vocabulary's models expect BOS at the front. */
  readonly addBos: boolean;
  /** Ids that end an answer. */
  readonly endOfGeneration: ReadonlySet<number>;
  encode(text: string, options?: EncodeOptions): number[];
  /** Encodes segments as ONE text (pieces may span their borders), but a control token must lie within one special segment. */
  encodeSegments(segments: readonly TextSegment[], options?: { readonly bos?: boolean }): number[];
  /** Text of a whole sequence; the space that sentencepiece puts before the first word is dropped. */
  decode(ids: Iterable<number>, options?: DecodeOptions): string;
  /** The bytes that a token stands for; for a control token the bytes of its text. */
  tokenToBytes(id: number): Uint8Array;
  /** Id of a token by its exact text (`' the'`, `'<|im_end|>'`), `null` where there is none. */
  tokenId(text: string): number | null;
  /** True for control tokens: decoding leaves them out unless asked. */
  isControl(id: number): boolean;
  /** Decoder for tokens as they are generated: the first one keeps its leading space. */
  stream(options?: DecodeOptions): TokenStream;
}
