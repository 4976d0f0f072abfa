// The page: a picture, a question, an answer, and what it took.

import { PumiceError } from '../errors.ts';
import type { Answered, Backend } from './backend.ts';
import { browserBackend } from './browserBackend.ts';
import { drawPicture, drawProfile } from './draw.ts';
import { serverBackend } from './serverBackend.ts';

const element = <T extends HTMLElement>(id: string): T => document.getElementById(id) as T;
const { base = '', mode: first = 'server' } = document.body.dataset;
const mode = element<HTMLSelectElement>('mode');
const drop = element('drop');
const file = element<HTMLInputElement>('file');
const canvas = element<HTMLCanvasElement>('picture');
const overlay = element<HTMLInputElement>('overlay');
const question = element<HTMLInputElement>('question');
const tokens = element<HTMLInputElement>('tokens');
const keep = element<HTMLInputElement>('keep');
const key = element<HTMLInputElement>('key');
const ask = element<HTMLButtonElement>('ask');
const stop = element<HTMLButtonElement>('stop');
const answer = element('answer');
const status = element('status');

let backend: Backend | undefined;
let image: Blob | undefined;
let picture: ImageBitmap | undefined;
let views: Answered['insight']['views'] = [];
let running: AbortController | undefined;

const say = (text: string): void => {
  status.textContent = text;
};

async function open(): Promise<void> {
  backend?.close();
  ask.disabled = true;
  const mine =
    mode.value === 'browser' ? browserBackend(new URL(`${base}/models/pebble.gguf`, location.href).href) : serverBackend(key.value);
  backend = mine;
  try {
    say('loading ...');
    const choices = await mine.open((share) => say(`loading ${Math.round(100 * share)} %`));
    if (backend !== mine) return;
    element('keyLabel').hidden = true;
    element('tokensLabel').hidden = choices.visualTokens === undefined;
    tokens.value = tokens.max = String(choices.visualTokens ?? 1);
    tokens.dispatchEvent(new Event('input'));
    element('keepLabel').hidden = !choices.keep;
    ask.disabled = false;
    say(`${choices.name} is ready`);
  } catch (e) {
    if (backend !== mine) return;
    element('keyLabel').hidden = !(e instanceof PumiceError && e.code === 'unauthorized');
    say((e as Error).message);
  }
}

async function choose(blob: Blob | null | undefined): Promise<void> {
  if (!blob) return;
  try {
    picture = await createImageBitmap(blob);
  } catch {
    say('this file is no picture that the browser knows');
    return;
  }
  image = blob;
  views = [];
  element('hint').hidden = true;
  canvas.hidden = false;
  redraw();
}

function redraw(): void {
  if (picture) drawPicture(canvas, picture, overlay.checked ? views : []);
  element('overlayLabel').hidden = !views.some((v) => v.kept ?? v.attention);
}

async function submit(): Promise<void> {
  if (!backend || running) return;
  running = new AbortController();
  answer.textContent = '';
  stop.hidden = false;
  ask.disabled = true;
  say('thinking ...');
  const started = performance.now();
  try {
    const { usage, insight } = await backend.ask(
      {
        image,
        text: question.value,
        keep: Number(keep.value) / 100,
        ...(element('tokensLabel').hidden ? {} : { visualTokens: Number(tokens.value) }),
      },
      (text) => answer.append(answer.textContent ? text : text.trimStart()),
      running.signal,
    );
    const seconds = ((performance.now() - started) / 1000).toFixed(2);
    say(`${usage.prompt} rows of prompt (${usage.image} of the picture), ${usage.completion} tokens, ${seconds} s`);
    drawProfile(element<HTMLTableElement>('profile').tBodies[0]!, insight.ops);
    views = insight.views;
    redraw();
  } catch (e) {
    say(running.signal.aborted ? 'stopped' : (e as Error).message);
  } finally {
    running = undefined;
    stop.hidden = true;
    ask.disabled = false;
  }
}

mode.value = first;
mode.onchange = () => void open();
key.onchange = () => void open();
file.onchange = () => void choose(file.files?.[0]);
overlay.onchange = redraw;
stop.onclick = () => running?.abort();
element<HTMLFormElement>('form').onsubmit = (e) => {
  e.preventDefault();
  void submit();
};
document.addEventListener('paste', (e) => void choose([...(e.clipboardData?.files ?? [])].find((f) => f.type.startsWith('image/'))));
for (const kind of ['dragover', 'dragleave', 'drop'] as const)
  drop.addEventListener(kind, (e) => {
    e.preventDefault();
    drop.classList.toggle('over', kind === 'dragover');
    if (kind === 'drop') void choose(e.dataTransfer?.files[0]);
  });
for (const [slider, unit] of [
  [tokens, ''],
  [keep, ' %'],
] as const) {
  const show = () => {
    slider.parentElement!.querySelector('output')!.textContent = slider.value + unit;
  };
  slider.oninput = show;
  show();
}
void open();
