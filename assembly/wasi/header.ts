// The first 256 bytes of a snapshot, as 32-bit fields: shared by AssemblyScript (reads) and TypeScript (writes).
// Behind it: linear memory from address 1024 on, then a table. Of an answer (MAGIC): u32 offsets of all tokens and of the end, and their UTF-8.
// Of a kernel to be timed (BENCH): its name.

export const HEADER_BYTES = 256;
export const MAGIC = 0x504d4331;
export const BENCH = 0x504d4332;
export const H_MAGIC = 0;
export const H_MEMORY = 4; // bytes of memory, from FIRST_BYTE on
export const H_TABLE = 8; // bytes of the table
export const H_PREFILL = 12; // address and number of records
export const H_PREFILL_COUNT = 16;
export const H_DECODE = 20;
export const H_DECODE_COUNT = 24;
export const H_PREFILL_NEXT = 28; // addresses of the likeliest token
export const H_DECODE_NEXT = 32;
export const H_IDS = 36; // inputs of a decode step
export const H_POSITIONS = 40;
export const H_PAST = 44; // cells
export const H_ROWS = 48;
export const H_PROMPT = 52; // rows of the prompt
export const H_MAX_TOKENS = 56;
export const H_VOCABULARY = 60;
export const H_ENDS = 64; // number of tokens that end an answer, then the tokens
export const MAX_ENDS = 16;
export const H_PROGRAM = 12; // of a kernel: address and number of records
export const H_PROGRAM_COUNT = 16;
export const H_WORK = 20; // thousands of multiply-adds, or of bytes
export const FIRST_BYTE = 1024;
