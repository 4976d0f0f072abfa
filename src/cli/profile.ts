// `pumice profile`: what is shown and written of a profile.

import { readFile, writeFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { InputError } from '../errors.ts';
import { diffTable, type SavedProfile } from '../profile/diff.ts';
import type { ExpertLoads } from '../profile/experts.ts';
import { type Grouping, OVERHEAD, type Profile } from '../profile/profile.ts';
import { htmlReport } from '../profile/report.ts';
import { measureRoofline, rooflineUrl } from '../profile/roofline.ts';
import { columnsFor, textTable } from '../profile/table.ts';
import { chromeTrace } from '../profile/trace.ts';
import type { Build } from '../runtime/platform.ts';

export interface ProfileOptions {
  /** A table on stderr. */
  readonly profile?: boolean;
  /** What the table sums up; default op. */
  readonly by?: Grouping;
  /** Share of a program's time that timing may take. */
  readonly overhead?: number;
  /** File for a Chrome trace. */
  readonly trace?: string;
  /** File for a page with charts. */
  readonly html?: string;
  /** Load of a mixture's experts: on stderr, and in the page. */
  readonly experts?: boolean;
  /** File for the sums, to compare with later. */
  readonly save?: string;
  /** File of an earlier `save`. */
  readonly diff?: string;
}

/** Writes what was asked for. The peaks of the machine are measured here, after the run that was profiled. */
export async function report(p: Profile, build: Build, o: ProfileOptions, facts: readonly string[], experts?: ExpertLoads): Promise<void> {
  p.detach();
  if (o.trace) await writeFile(o.trace, chromeTrace(p));
  if (!o.profile) return;
  p.roofline = measureRoofline(build, await readFile(rooflineUrl(build)));
  const { f32, i8, memory } = p.roofline;
  if (o.diff) process.stderr.write(diffTable(await saved(o.diff), p.totals('op')));
  else {
    const totals = p.totals(o.by ?? 'op');
    process.stderr.write(textTable(o.by ?? 'op', totals, columnsFor(totals, true, p.threads)));
    if (totals.some((t) => t.timed < t.calls))
      process.stderr.write(
        `timed: calls whose time was taken; the others count as the next one that was (--overhead ${100 * (o.overhead ?? OVERHEAD)} %)\n`,
      );
    process.stderr.write(
      `roof per thread: ${i8.toFixed(1)} GMAC/s of 8 bits, ${f32.toFixed(1)} of f32, ${memory.toFixed(1)} GB/s from memory\n`,
    );
    p.threadTimes().forEach(({ work, wait }, i) => {
      process.stderr.write(`thread ${i}: ${work.toFixed(1)} ms of work, ${wait.toFixed(1)} ms of waiting\n`);
    });
  }
  if (o.save) await writeFile(o.save, `${JSON.stringify({ version: 1, facts, ops: p.totals('op') } satisfies SavedProfile, null, 1)}\n`);
  if (experts) process.stderr.write(experts.table());
  if (!o.html) return;
  const parts = experts ? [experts.html()] : [];
  await writeFile(o.html, htmlReport(p, { title: 'pumice profile', facts, parts, chartSource: await readFile(chartJs(), 'utf8') }));
}

async function saved(path: string): Promise<SavedProfile['ops']> {
  const before = JSON.parse(await readFile(path, 'utf8')) as Partial<SavedProfile>;
  if (before.version !== 1 || !Array.isArray(before.ops)) throw new InputError(`${path}: is no saved profile: write one with --save`);
  return before.ops;
}

/** The browser build of Chart.js: it lies beside the module that the package exports for require. */
const chartJs = (): string => join(dirname(createRequire(import.meta.url).resolve('chart.js')), 'chart.umd.min.js');
