#!/usr/bin/env node
// The command line: parses arguments, calls the public API, maps errors to exit codes.
// 0 done, 1 a defect of ours, 2 bad usage or bad input, 130 stopped by Ctrl-C.

import { readFileSync } from 'node:fs';
import { Command, CommanderError, InvalidArgumentError, Option } from 'commander';
import { MIX_NAMES } from '../convert/mix.ts';
import { PumiceError } from '../errors.ts';
import { TARGETS } from '../estimate/advice.ts';
import { SHAPES } from '../models/synth.ts';
import { SYNTH_TYPES } from '../models/synthPool.ts';
import { benchModel } from './benchModel.ts';
import { convert, quantize } from './convert.ts';
import { evaluate } from './eval.ts';
import { inspect } from './inspect.ts';
import { plan } from './plan.ts';
import { profile, run } from './run.ts';
import { score } from './score.ts';
import { serve } from './serve.ts';
import { synth } from './synth.ts';

const number = (name: string) => (text: string) => {
  const n = Number(text);
  if (text.trim() === '' || Number.isNaN(n)) throw new InvalidArgumentError(`${name}: not a number: ${text}`);
  return n;
};

const pixelsOrNone = (text: string) => (text === 'none' ? text : number('--pre-resize')(text));

const list = (value: string, before: readonly string[]) => [...before, value];

const { version } = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8')) as { version: string };
const program = new Command('pumice')
  .description('Vision-language models (LLaVA and its variants) on the CPU, in WASM SIMD')
  .version(version)
  .exitOverride()
  .showHelpAfterError('(add --help for the options)');

/** What `run` and `profile` share. */
const asking = (command: Command): Command =>
  command
    .argument('[question]', 'what to ask; default: describe the picture')
    .option('--image <path>', 'picture file or URL; repeatable', list, [])
    .option(
      '-m, --model <path>',
      'GGUF file, hub directory, URL, or org/name[:quant] on the hub ($PUMICE_HUB); default: pebble, the embedded model; also pebble-mqt',
    )
    .option('--offline', 'ask nothing of the network: only what is in the cache')
    .option('--mmproj <path>', 'projector file of a llama.cpp pair')
    .option('--tower <dir>', 'directory of the vision tower, for hub checkpoints without one inside')
    .option('--adapter <dir>', 'directory of a LoRA adapter or a projector, laid over the hub checkpoint')
    .option('-t, --threads <n>', 'threads, or auto', (v) => (v === 'auto' ? v : number('--threads')(v)), 'auto')
    .addOption(
      new Option('--build <name>', 'kernel build; default: the fastest that this runtime computes rightly').choices(['simd', 'relaxed']),
    )
    .option('-c, --ctx-size <rows>', 'rows that the KV cache holds', number('--ctx-size'))
    .addOption(new Option('--cache-type <type>', 'element type of the KV cache').choices(['f32', 'f16', 'q8']).default('f16'))
    .addOption(new Option('--image-mode <mode>', 'how pictures become square').choices(['pad', 'square']))
    .option('--prune <method>', 'fewer picture rows: fastv:K:R, visionzip:DOMINANT:CONTEXTUAL, prumerge, prumerge-plus, tome:R')
    .option(
      '--keep-rate <share>',
      "FastV and Dynamic-LLaVA: share of a picture's rows that goes on; default: as loaded",
      number('--keep-rate'),
    )
    .option('--visual-tokens <m>', 'MQT: tokens that stand for a picture', number('--visual-tokens'))
    .option('--slices <n>', 'UHD: slices of a picture at most; 1: only the overview', number('--slices'))
    .option('--pre-resize <pixels>', 'UHD: longer side before slicing, or none', pixelsOrNone)
    .option('--explain <file>', 'write a PNG of how the picture was cut and where its tokens look')
    .option('--conversation <name>', 'built-in conversation, e.g. vicuna_v1')
    .option('--system <text>', 'system message')
    .option('-n, --max-tokens <n>', 'tokens of the answer at most', number('--max-tokens'), 512)
    .option('--temp <t>', 'temperature; 0 is greedy', number('--temp'), 0)
    .option('--top-k <k>', 'only the k most likely tokens', number('--top-k'), 0)
    .option('--top-p <p>', 'only the most likely tokens that sum to p', number('--top-p'), 1)
    .option('--min-p <p>', 'only tokens with this share of the likeliest', number('--min-p'), 0)
    .option('--repeat-penalty <f>', 'divides the scores of tokens already in the answer', number('--repeat-penalty'), 1)
    .option('-s, --seed <n>', 'seed of the draws', number('--seed'))
    .option('--stop <text>', 'end the answer before this text; repeatable', list, [])
    .option('--json', 'one JSON object with answer and usage')
    .option('--stats', 'times and rates on stderr');

asking(program.command('run').description('answer a question about a picture (or without one)'))
  .option('--profile', 'time of every kind of operation, on stderr')
  .option('--trace <file>', 'write a Chrome trace (opens in Perfetto)')
  .option('--save-state <file>', 'write the conversation, its pictures and the cache')
  .option('--state <file>', 'go on with a conversation that was saved: nothing of it is computed again')
  .action(run);

asking(program.command('profile').description('answer a question and show where the time went'))
  .addOption(new Option('--by <group>', 'what the table sums up').choices(['op', 'layer', 'section', 'program']).default('op'))
  .option(
    '--overhead <percent>',
    'time that timing may take: of programs that it would slow down by more some runs are timed; default: 0.5; 1000: time all',
    (v) => number('--overhead')(v) / 100,
  )
  .option('--html <file>', 'write a page with charts')
  .option('--trace <file>', 'write a Chrome trace (opens in Perfetto)')
  .option('--save <file>', 'write the sums, to compare with later')
  .option('--diff <file>', 'compare with sums that were saved')
  .option('--experts', 'load of each expert by layer; in the page as heat maps of text and of pictures')
  .action(profile);

program
  .command('eval')
  .description('exact answers of a model on a set of pictures and questions')
  .argument('<model>', 'pebble (the embedded model), pebble-mqt, a GGUF file or a hub directory')
  .option('--set <dir>', 'folder with pairs.jsonl and its pictures; default: the embedded set', '')
  .option('-t, --threads <n>', 'threads, or auto', (v) => (v === 'auto' ? v : number('--threads')(v)), 'auto')
  .option('--limit <n>', 'only the first n questions', number('--limit'))
  .option('--prune <methods>', 'right answers against the share of rows that stays: methods of run between commas')
  .option('--keep <shares>', 'with --prune: shares between commas', '0.75,0.5,0.25,0.125')
  .option('--visual-tokens <list>', 'MQT: right answers against the tokens of a picture, such as 1,2,4,8,16')
  .option('--svg <file>', 'with --prune or --visual-tokens: write a chart')
  .option('--json', 'scores and every answer as JSON')
  .action(evaluate);

program
  .command('serve')
  .description('OpenAI-compatible server')
  .option('-m, --model <path>', 'GGUF file or hub directory; default: pebble, the embedded model; also pebble-mqt')
  .option('--mmproj <path>', 'projector file of a llama.cpp pair')
  .option('--name <name>', "the model's name in requests; default: its file name")
  .option('-t, --threads <n>', 'threads, or auto', (v) => (v === 'auto' ? v : number('--threads')(v)), 'auto')
  .option('-c, --ctx-size <rows>', 'rows that the KV cache holds', number('--ctx-size'))
  .option('--prune <method>', 'fewer picture rows, as for run; with fastv requests may choose pumice.keep_rate')
  .option('--conversation <name>', 'built-in conversation, e.g. vicuna_v1')
  .option('--host <address>', 'address to listen on', '127.0.0.1')
  .option('-p, --port <n>', 'port to listen on', number('--port'), 8080)
  .addOption(new Option('--api-key <key>', 'required as bearer token').env('PUMICE_API_KEY'))
  .option('--image-host <host>', 'host from which pictures may be fetched; repeatable; default: none', list, [])
  .option('--queue <n>', 'requests that may wait', number('--queue'), 8)
  .action(serve);

program
  .command('bench')
  .description('time load, picture, prefill and decode of a model')
  .argument('<model>', 'pebble (the embedded model), a GGUF file or a hub directory')
  .option('--mmproj <path>', 'projector file of a llama.cpp pair')
  .option('--prompts <list>', 'rows of prefill; those beyond the model are left out', '64,256,512,1024,2048')
  .option('--contexts <list>', 'rows in the cache when decoding', '64,512,1024')
  .option('-t, --threads <list>', 'thread counts; default: 1 to all')
  .option('--rounds <n>', 'rounds of each measurement', number('--rounds'), 3)
  .option('--json', 'as JSON')
  .action(benchModel);

program
  .command('score')
  .description('log-probabilities of given answers, or DPO margins of chosen and rejected ones; JSON lines')
  .argument('<model>', 'pebble (the embedded model), a GGUF file or a hub directory')
  .argument('<file>', 'JSON lines: question, answer (or chosen, rejected), image?')
  .option('--mmproj <path>', 'projector file of a llama.cpp pair')
  .option('--reference <model>', 'reference model of DPO, teacher of distillation: the distance from it is given too')
  .option('--reference-mmproj <path>', 'its projector file, where it is a llama.cpp pair')
  .option('--beta <b>', 'temperature of DPO', number('--beta'), 0.1)
  .option('-t, --threads <n>', 'threads, or auto', (v) => (v === 'auto' ? v : number('--threads')(v)), 'auto')
  .action(score);

program
  .command('inspect')
  .description('show what is in a GGUF or safetensors file')
  .argument('<file>')
  .option('--tensors', 'list every tensor')
  .option('--json', 'as JSON')
  .action((file: string, options: { json?: boolean; tensors?: boolean }) => inspect(file, options, process.stdout));

program
  .command('plan')
  .description('memory and work of a model, and whether it fits, without loading it')
  .argument('<model>', 'pebble (the embedded model), GGUF file, hub directory, URL, or org/name[:quant] on the hub')
  .option('--offline', 'ask nothing of the network: only what is in the cache')
  .option('--mmproj <path>', 'projector file of a llama.cpp pair')
  .option('--tower <dir>', 'directory of the vision tower')
  .option('--image <size>', 'width and height of the picture, such as 640x480, or none')
  .option('--visual-tokens <m>', 'tokens that stand for the picture, where the model has the choice', number('--visual-tokens'))
  .option('--slices <n>', 'slices of the picture at most, where the model has the choice', number('--slices'))
  .option('--pre-resize <pixels>', 'longer side before slicing, or none, where the model has the choice', pixelsOrNone)
  .option('--context <rows>', 'rows that the KV cache holds', number('--context'))
  .option('--chunk <rows>', 'rows of a prefill chunk', number('--chunk'))
  .option('--text <rows>', 'rows of text in the prompt', number('--text'))
  .option('-t, --threads <n>', 'threads', number('--threads'))
  .addOption(new Option('--cache-type <type>', 'element type of the KV cache').choices(['f32', 'f16', 'q8']))
  .addOption(new Option('--target <runtime>', 'where it is to run').choices([...TARGETS.keys()]).default('node'))
  .option('--json', 'as JSON')
  .action(plan);

program
  .command('convert')
  .description('write one GGUF file with tower, projector, language model, tokenizer and template; or a llama.cpp pair')
  .argument('<input>', 'hub directory, or GGUF file')
  .argument('<output>', 'GGUF file to write')
  .option('--mmproj <path>', 'write a llama.cpp pair: tower and projector go to this file')
  .option('--in-mmproj <path>', 'projector file of the input, where that is a pair')
  .option('--tower <dir>', 'directory of the vision tower, for hub checkpoints without one inside')
  .option('--adapter <dir>', 'LoRA adapter or projector to merge, for hub checkpoints')
  .option('--type <type>', `type of the matrices: ${MIX_NAMES.join(', ')}; default: as they are`)
  .option('--tower-type <type>', 'type of the matrices of tower and projector; default: 16 bits where --type is quantized')
  .option('--imatrix <path>', 'importance matrix, for quantized types')
  .option('--packed', 'matrices as they lie in memory: loads as fast as the file is read, by this version of pumice only')
  .action(convert);

program
  .command('quantize')
  .description('write a GGUF file with matrices of another type')
  .argument('<input>', 'GGUF file; best one in f16, bf16 or f32')
  .argument('<output>', 'GGUF file to write')
  .requiredOption('--type <type>', MIX_NAMES.join(', '))
  .option('--tower-type <type>', 'type of the matrices of tower and projector; default: 16 bits')
  .option('--imatrix <path>', 'importance matrix')
  .option('--packed', 'matrices as they lie in memory: loads as fast as the file is read, by this version of pumice only')
  .action(quantize);

program
  .command('synth')
  .description('write a checkpoint of exact shapes with random weights, for measuring')
  .argument('<shape>', `one of ${[...SHAPES.keys()].join(', ')}`)
  .requiredOption('-o, --output <file>')
  .addOption(new Option('--type <type>', 'type of the matrices').choices(SYNTH_TYPES).default('q4_0'))
  .addOption(new Option('--tower-type <type>', "type of the tower's and the projector's matrices").choices(SYNTH_TYPES).default('f16'))
  .action(synth);

try {
  await program.parseAsync();
} catch (e) {
  process.exitCode = exitCode(e);
}

function exitCode(e: unknown): number {
  if (e instanceof CommanderError) return e.exitCode === 0 ? 0 : 2;
  if (e instanceof PumiceError) {
    process.stderr.write(`error: ${e.message}\n`);
    return e.code === 'trap' || e.code === 'worker' ? 1 : 2;
  }
  if (e instanceof Error && (e.name === 'AbortError' || e.message === 'interrupted')) return 130;
  process.stderr.write(`${e instanceof Error ? (e.stack ?? e.message) : String(e)}\n`);
  return 1;
}
