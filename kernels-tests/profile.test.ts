// Profiles: the same programs and results with a profile as without, times by thread, sums, the trace's format, the difference of two.

import assert from 'node:assert/strict';
import { test } from 'node:test';
import { RECORD_BYTES } from '../assembly/program.ts';
import { Graph, newCell } from '../src/graph/graph.ts';
import { gelu } from '../src/graph/ops/gelu.ts';
import { scale } from '../src/graph/ops/scale.ts';
import { diffTable } from '../src/profile/diff.ts';
import { Profile } from '../src/profile/profile.ts';
import { htmlReport } from '../src/profile/report.ts';
import { Sampling } from '../src/profile/sampling.ts';
import { columnsFor, textTable } from '../src/profile/table.ts';
import { chromeTrace, type TraceEvent } from '../src/profile/trace.ts';
import { Engine, type Program } from '../src/runtime/engine.ts';
import { nodePlatform } from '../src/runtime/node.ts';
import { Programs } from '../src/runtime/programs.ts';
import { random } from './harness.ts';

const rows = newCell('rows', 64);
/** Every run is timed. */
const ALL = { overhead: Number.POSITIVE_INFINITY };

/** Three ops in two sections over a cell of rows. */
function graph(): Graph {
  const g = new Graph('small');
  const x = g.input('x', 'f32', [rows, 32]);
  const h = g.section('layer 0', () => g.add(gelu, [g.add(scale, [x], { factor: 2 })], {}));
  g.output(
    'y',
    g.section('layer 1', () => g.section('inner', () => g.add(scale, [h], { factor: 3 }))),
  );
  return g;
}

async function setUp(threads: number): Promise<{ engine: Engine; programs: Programs; program: Program }> {
  const engine = await Engine.create(nodePlatform, { threads });
  const programs = new Programs(engine, []);
  const program = await programs.get('small', graph);
  engine.write(program, 'x', random(64 * 32, 1));
  engine.setCell(rows, 40);
  return { engine, programs, program };
}

const records = (engine: Engine, p: Program): Uint8Array =>
  engine.bytes.slice(engine.addressOf(p), engine.addressOf(p) + p.count * RECORD_BYTES);

for (const threads of [0, 1, 2, 3]) {
  test(`a profiled run leaves program and results as they are, ${threads} threads`, async () => {
    const { engine, programs, program } = await setUp(threads);
    await programs.run(program);
    const plain = engine.read(program, 'y');
    const before = records(engine, program);
    engine.write(program, 'x', random(64 * 32, 1));

    const profile = new Profile([programs], ALL);
    for (let i = 0; i < 3; i++) await programs.run(program);
    assert.deepEqual(records(engine, program), before);
    assert.deepEqual(engine.read(program, 'y'), plain);
    assert.equal(profile.events.length, 9);
    assert.equal(profile.threads, Math.max(1, threads));
    for (const e of profile.events) {
      assert.equal(e.ms.length, profile.threads);
      e.ms.forEach((ms, t) => {
        assert.ok(e.wait[t]! >= 0 && ms >= e.wait[t]!, 'waiting is a part of the time');
      });
      if (threads < 2) assert.deepEqual(e.wait, [0]);
    }

    profile.detach();
    await programs.run(program);
    assert.equal(profile.events.length, 9);
    await engine.dispose();
  });
}

test('work is counted at the sizes of each run', async () => {
  const { engine, programs, program } = await setUp(0);
  const profile = new Profile([programs], ALL);
  await programs.run(program);
  engine.setCell(rows, 10);
  await programs.run(program);
  const bytes = profile.events.map((e) => e.bytes);
  assert.deepEqual(
    bytes.slice(3),
    bytes.slice(0, 3).map((b) => b / 4),
  );
  await engine.dispose();
});

test('of small programs some runs are timed: as often as the share allows, and the first three', () => {
  const [small, large] = [{}, {}] as [Program, Program];
  const sampling = new Sampling(0.01, 0.001);
  const timed = (program: Program, readings: number, plainMs: number, timedMs: number, runs: number): boolean[] =>
    Array.from({ length: runs }, () => {
      const wanted = sampling.wants(program);
      sampling.ran(program, readings, wanted, wanted ? timedMs : plainMs);
      return wanted;
    });
  const often = (list: readonly boolean[]) => list.filter(Boolean).length / list.length;
  // 0.05 ms of readings in a run of 1 ms: one run in five at 1 %.
  const seen = timed(small, 50, 1, 1.05, 2000);
  assert.deepEqual(seen.slice(0, 4), [true, true, true, false], 'one to compare with');
  assert.ok(often(seen.slice(100)) > 0.18 && often(seen.slice(100)) < 0.21, `${often(seen)}`);
  assert.equal(often(timed(large, 50, 100, 100.05, 100)), 1);
  // Timing that costs more than its readings is seen by comparison: 0.1 ms in 1.
  assert.ok(often(timed({} as Program, 1, 1, 1.1, 3000)) < 0.12);
  // A few that were late by accident do not end the sampling.
  const busy = {} as Program;
  assert.deepEqual(timed(busy, 1, 1, 100, 3), [true, true, true]);
  assert.ok(often(timed(busy, 1, 1, 1.01, 100_000).slice(50_000)) > 0.1);
});

test('runs that were not timed count with their own costs and the times of the next one that was', async () => {
  const { engine, programs, program } = await setUp(0);
  const profile = new Profile([programs], { overhead: 0 });
  for (const n of [40, 40, 40, 10, 20]) {
    engine.setCell(rows, n);
    await programs.run(program);
  }
  assert.deepEqual(
    profile.runTimes().map((r) => r.timed),
    [true, true, true, false, false],
  );
  const bytes = (run: number) => profile.events.slice(3 * run, 3 * run + 3).map((e) => e.bytes);
  assert.deepEqual(
    bytes(3),
    bytes(0).map((b) => b / 4),
  );
  assert.deepEqual(
    bytes(4),
    bytes(0).map((b) => b / 2),
  );
  const ms = (run: number) => profile.events.slice(3 * run, 3 * run + 3).map((e) => e.ms);
  assert.deepEqual([ms(3), ms(4)], [ms(2), ms(2)]);
  const [all] = profile.totals('program');
  assert.deepEqual([all!.calls, all!.timed], [15, 9]);
  assert.ok(columnsFor(profile.totals('op'), false, 1).some((c) => c.head === 'timed'));
  const { traceEvents } = JSON.parse(chromeTrace(profile)) as { traceEvents: TraceEvent[] };
  const pieces = track(traceEvents, 0).map((e) => e.cat);
  assert.deepEqual([pieces.filter((c) => c === 'small').length, pieces.filter((c) => c === 'run').length], [9, 2]);
  await engine.dispose();
});

test('sums by op, section, layer and program are the same time', async () => {
  const { engine, programs, program } = await setUp(2);
  const profile = new Profile([programs], ALL);
  await programs.run(program);
  await programs.run(program);
  profile.roofline = { f32: 1e9, i8: 2e9, memory: 1 };
  const keys = { op: ['small: gelu', 'small: scale'], section: ['small: layer 0', 'small: layer 1/inner'] };
  assert.deepEqual(
    profile
      .totals('op')
      .map((t) => t.key)
      .sort(),
    keys.op,
  );
  assert.deepEqual(
    profile
      .totals('section')
      .map((t) => t.key)
      .sort(),
    keys.section,
  );
  assert.deepEqual(
    profile
      .totals('layer')
      .map((t) => t.key)
      .sort(),
    ['small: layer 0', 'small: layer 1'],
  );
  const [all] = profile.totals('program');
  assert.equal(all!.calls, 6);
  const ran = profile.runTimes().reduce((n, r) => n + r.ms, 0);
  for (const by of ['op', 'section', 'layer', 'program'] as const) {
    const sum = profile.totals(by).reduce((n, t) => n + t.ms, 0);
    assert.ok(Math.abs(sum - ran) < 1e-6, by);
  }
  // Two threads at 1 GB/s each.
  assert.ok(Math.abs(all!.limitMs - all!.bytes / 2e6) < 1e-9);
  assert.ok(all!.balance > 0 && all!.balance <= 1);
  const threads = profile.threadTimes();
  assert.equal(threads.length, 2);
  const table = textTable('op', profile.totals('op'), columnsFor(profile.totals('op'), true, 2))
    .trimEnd()
    .split('\n');
  assert.equal(new Set(table.map((l) => l.length)).size, 1, 'columns are aligned');
  await engine.dispose();
});

/** The pieces of a thread's track by time: what Perfetto takes, which drops pieces that overlap, be it by a nanosecond. */
function track(traceEvents: readonly TraceEvent[], tid: number): Extract<TraceEvent, { ph: 'X' }>[] {
  const pieces = traceEvents.flatMap((e) => (e.ph === 'X' && e.tid === tid ? [e] : [])).sort((a, b) => a.ts - b.ts);
  let end = 0;
  for (const { name, cat, pid, ts, dur } of pieces) {
    assert.ok(name !== '' && cat !== '' && pid === 1 && Number.isFinite(ts) && Number.isFinite(dur) && dur >= 0, name);
    assert.ok(Number.isInteger(ts * 1000) && Number.isInteger(dur * 1000), `${name}: whole nanoseconds: got ${ts} and ${dur}`);
    assert.ok(ts >= end, `${name} begins at ${ts}, before ${end}`);
    end = ts + dur;
  }
  return pieces;
}

test('the trace is what Chrome and Perfetto read: complete events that do not overlap, on named tracks', async () => {
  const { engine, programs, program } = await setUp(2);
  const profile = new Profile([programs], ALL);
  for (let i = 0; i < 4; i++) await programs.run(program);
  const { traceEvents } = JSON.parse(chromeTrace(profile)) as { traceEvents: TraceEvent[] };
  const names = traceEvents.flatMap((e) => (e.ph === 'M' ? [`${e.name} ${e.args.name}`] : []));
  assert.deepEqual(names, ['process_name pumice', 'thread_name thread 0', 'thread_name thread 1']);
  for (const tid of [0, 1]) assert.equal(track(traceEvents, tid).filter((e) => e.cat === 'small').length, 12);
  await engine.dispose();
});

test('the difference of two profiles: per call, of the whole, new and gone', () => {
  const total = (key: string, calls: number, ms: number) => ({
    key,
    calls,
    timed: calls,
    ms,
    waitMs: 0,
    balance: 1,
    macs: 0,
    bytes: 0,
    limitMs: 0,
  });
  const lines = diffTable(
    [total('a', 10, 10), total('old', 1, 10)],
    [total('a', 20, 10), total('new', 1, 1), total('tiny', 1, 1e-4)],
  ).split('\n');
  assert.deepEqual(
    lines.slice(1, -1).map((l) => l.split(/\s+/)),
    [
      ['a', '1000.00', '500.00', '-50.0%', '0.0%'],
      ['new', '-', '1000.00', 'new', '+5.0%'],
      ['old', '10000.00', '-', 'gone', '-50.0%'],
      ['all', '-45.0%'],
    ],
  );
});

test('the page holds its data and escapes names', async () => {
  const { engine, programs, program } = await setUp(0);
  const profile = new Profile([programs], ALL);
  await programs.run(program);
  profile.roofline = { f32: 1, i8: 2, memory: 1 };
  const html = htmlReport(profile, { title: '<t>', facts: ['a & b'], chartSource: '/* </script> */' });
  assert.ok(html.includes('<title>&#60;t&#62;</title>') && html.includes('<p>a &#38; b</p>'));
  assert.equal(html.match(/<\/script>/g)?.length, 2);
  const data = JSON.parse(/^const data = (.*);$/m.exec(html)![1]!) as { layers: { layers: string[] }[] };
  assert.deepEqual(data.layers[0]!.layers, ['layer 0', 'layer 1']);
  await engine.dispose();
});

test('a run that comes while another lasts is refused and changes nothing', async () => {
  const { engine, programs, program } = await setUp(2);
  await programs.run(program);
  const before = records(engine, program);
  const first = engine.run(program);
  await assert.rejects(engine.run(program, true), { code: 'busy' });
  await first;
  assert.deepEqual(records(engine, program), before);
  await engine.dispose();
});
