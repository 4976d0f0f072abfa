// A profile in the Trace Event Format of Chrome (opens in Perfetto and chrome://tracing): a track per thread, in it each op and the wait
// at the barrier after it. Pieces of a track meet but never overlap: Perfetto drops a complete event that reaches into the next one.

import type { Profile } from './profile.ts';

/** What this file writes of the format: complete events ('X') and names of tracks ('M'). Times are microseconds. */
export type TraceEvent =
  | {
      readonly ph: 'X';
      readonly name: string;
      readonly cat: string;
      readonly pid: number;
      readonly tid: number;
      readonly ts: number;
      readonly dur: number;
      readonly args?: { readonly section: string; readonly macs: number; readonly bytes: number };
    }
  | {
      readonly ph: 'M';
      readonly name: 'process_name' | 'thread_name';
      readonly pid: number;
      readonly tid: number;
      readonly args: { readonly name: string };
    };

/** The file's text. */
export function chromeTrace(profile: Profile): string {
  const pid = 1;
  const traceEvents: TraceEvent[] = [{ ph: 'M', name: 'process_name', pid, tid: 0, args: { name: 'pumice' } }];
  for (let tid = 0; tid < profile.threads; tid++)
    traceEvents.push({ ph: 'M', name: 'thread_name', pid, tid, args: { name: `thread ${tid}` } });

  // Runs that were not timed are one piece.
  for (const { program, start, ms, timed } of profile.runTimes())
    if (!timed) traceEvents.push({ ph: 'X', name: `${program}, ops not timed`, cat: 'run', pid, tid: 0, ...span(start, start + ms) });

  // Between barriers threads go their own ways: each track has its own time.
  const ends: number[] = [];
  for (const e of profile.events.filter((e) => e.timed)) {
    e.ms.forEach((ms, tid) => {
      const start = Math.max(e.start, ends[tid] ?? 0);
      const worked = start + ms - e.wait[tid]!;
      const args = { section: e.section, macs: e.macs, bytes: e.bytes };
      traceEvents.push({ ph: 'X', name: e.op, cat: e.program, pid, tid, ...span(start, worked), args });
      if (e.wait[tid]! > 0) traceEvents.push({ ph: 'X', name: 'wait', cat: 'barrier', pid, tid, ...span(worked, start + ms) });
      ends[tid] = start + ms;
    });
  }
  return JSON.stringify({ traceEvents, displayTimeUnit: 'ms' });
}

/** From and to in milliseconds, as begin and duration in microseconds. Both ends are rounded, to eighths: exact as numbers and in Perfetto's nanoseconds. */
function span(from: number, to: number): { ts: number; dur: number } {
  const [ts, end] = [from, to].map((ms) => Math.round(ms * 8e3) / 8) as [number, number];
  return { ts, dur: end - ts };
}
