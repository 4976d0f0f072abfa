// A WASI command: reads snapshots from standard input, one after the other. One thread, memory of its own, no file access.
//
//   an answer (scripts/snapshot.mjs)   runs the prefill, decodes greedily, writes the text to standard output and the times to standard error
//   a kernel (bench/wasi.ts)           writes its name, nanoseconds of the fastest run, and millions of multiply-adds or bytes per second

import { run } from '../index.ts';
import {
  BENCH,
  FIRST_BYTE,
  H_DECODE,
  H_DECODE_COUNT,
  H_DECODE_NEXT,
  H_ENDS,
  H_IDS,
  H_MAGIC,
  H_MAX_TOKENS,
  H_MEMORY,
  H_PAST,
  H_POSITIONS,
  H_PREFILL,
  H_PREFILL_COUNT,
  H_PREFILL_NEXT,
  H_PROGRAM,
  H_PROGRAM_COUNT,
  H_PROMPT,
  H_ROWS,
  H_TABLE,
  H_WORK,
  HEADER_BYTES,
  MAGIC,
} from './header.ts';
import { clock_time_get, fd_read, fd_write, proc_exit } from './wasi_snapshot_preview1.ts';

// Places below 1024, where no tensor lies.
const IOVEC: usize = 64;
const DONE: usize = 80;
const CLOCK: usize = 88;
const TEXT: usize = 128;
const HEADER: usize = 512;

/** A kernel is timed for so long; a sample takes at least so long: the clock does not matter then. Nanoseconds. */
const TIMED: i64 = 300000000;
const SAMPLE: i64 = 50000;

export function _start(): void {
  if (!read(HEADER, HEADER_BYTES)) proc_exit(2);
  do snapshot();
  while (read(HEADER, HEADER_BYTES));
}

function snapshot(): void {
  const magic = load<i32>(HEADER, H_MAGIC);
  if (magic != MAGIC && magic != BENCH) proc_exit(2);
  const bytes = <usize>load<u32>(HEADER, H_MEMORY);
  const table = (FIRST_BYTE + bytes + 15) & ~(<usize>15);
  const pages = <i32>((table + load<u32>(HEADER, H_TABLE) + 65535) >> 16);
  if (pages > memory.size() && memory.grow(pages - memory.size()) < 0) proc_exit(3);
  if (!read(FIRST_BYTE, bytes) || !read(table, load<u32>(HEADER, H_TABLE))) proc_exit(2);
  if (magic == MAGIC) answer(table);
  else bench(table);
}

function bench(name: usize): void {
  const program = <usize>load<u32>(HEADER, H_PROGRAM);
  const count = load<i32>(HEADER, H_PROGRAM_COUNT);
  let calls: i64 = 1;
  let best: i64 = i64.MAX_VALUE;
  const end = now() + TIMED;
  for (let from = now(); from < end; ) {
    for (let i: i64 = 0; i < calls; i++) run(program, count, 0, 1);
    const to = now();
    if (to - from < SAMPLE) calls <<= 1;
    else best = min(best, (to - from) / calls);
    from = now();
  }
  write(1, name, load<u32>(HEADER, H_TABLE));
  line(1, <i32>best, <i32>((<i64>load<u32>(HEADER, H_WORK) * 1000000) / max(best, 1)));
}

function answer(table: usize): void {
  const began = now();
  run(load<u32>(HEADER, H_PREFILL), load<i32>(HEADER, H_PREFILL_COUNT), 0, 1);
  const prefilled = now();
  let past = load<i32>(HEADER, H_PROMPT);
  let id = load<i32>(load<u32>(HEADER, H_PREFILL_NEXT));
  let tokens = 0;
  for (const most = load<i32>(HEADER, H_MAX_TOKENS); !ends(id) && tokens < most; tokens++) {
    const from = <usize>load<u32>(table + ((<usize>id) << 2));
    write(1, table + from, load<u32>(table + ((<usize>id) << 2), 4) - from);
    store<i32>(load<u32>(HEADER, H_IDS), id);
    store<i32>(load<u32>(HEADER, H_POSITIONS), past);
    store<i32>(load<u32>(HEADER, H_PAST), past++);
    store<i32>(load<u32>(HEADER, H_ROWS), 1);
    run(load<u32>(HEADER, H_DECODE), load<i32>(HEADER, H_DECODE_COUNT), 0, 1);
    id = load<i32>(load<u32>(HEADER, H_DECODE_NEXT));
  }
  const decoded = now();
  line(1, 0, 0);
  // Rows of the prompt, microseconds of the prefill; tokens, microseconds of the decode.
  line(2, load<i32>(HEADER, H_PROMPT), <i32>((prefilled - began) / 1000));
  line(2, tokens, <i32>((decoded - prefilled) / 1000));
}

function ends(id: i32): bool {
  for (let i = load<i32>(HEADER, H_ENDS); i > 0; i--) if (load<i32>(HEADER + ((<usize>i) << 2), H_ENDS) == id) return true;
  return false;
}

/** Fills `bytes` bytes from standard input; false where it ends before. */
function read(at: usize, bytes: usize): bool {
  while (bytes > 0) {
    store<u32>(IOVEC, <u32>at);
    store<u32>(IOVEC, <u32>min(bytes, 1 << 24), 4);
    if (fd_read(0, IOVEC, 1, DONE) != 0) return false;
    const got = <usize>load<u32>(DONE);
    if (got == 0) return false;
    at += got;
    bytes -= got;
  }
  return true;
}

function write(file: i32, at: usize, bytes: usize): void {
  store<u32>(IOVEC, <u32>at);
  store<u32>(IOVEC, <u32>bytes, 4);
  fd_write(file, IOVEC, 1, DONE);
}

/** Two numbers and the end of the line; only that where both are 0. */
function line(file: i32, a: i32, b: i32): void {
  let at = TEXT + 64;
  store<u8>(--at, 10);
  if ((a | b) != 0) {
    at = digits(at, b);
    store<u8>(--at, 32);
    at = digits(at, a);
  }
  write(file, at, TEXT + 64 - at);
}

/** Writes a number in front of `at`; returns its first byte's place. */
function digits(at: usize, n: i32): usize {
  do {
    store<u8>(--at, <u8>(48 + (n % 10)));
    n /= 10;
  } while (n > 0);
  return at;
}

function now(): i64 {
  clock_time_get(1, 1000, CLOCK);
  return load<i64>(CLOCK);
}
