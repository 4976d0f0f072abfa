// The page: one file of markup and style. Its script is src/page/main.ts.

/** The page's HTML. `base`: where the package's files are served; `mode`: who computes, to begin with. */
export const pageHtml = (base: string, mode: 'server' | 'browser'): string => `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<title>pumice</title>
<link rel="icon" href="data:,">
<style>
  :root { color-scheme: light dark; --line: color-mix(in srgb, currentColor 22%, transparent); --soft: color-mix(in srgb, currentColor 7%, transparent); --mark: #b4541f; }
  * { box-sizing: border-box; accent-color: var(--mark); }
  body { margin: 0 auto; max-width: 68rem; padding: 1rem; font: 16px/1.5 system-ui, sans-serif; }
  h1 { font-size: 1.2rem; margin: 0; }
  header { display: flex; justify-content: space-between; align-items: baseline; gap: 1rem; flex-wrap: wrap; margin-bottom: 1rem; }
  main { display: grid; gap: 1rem; grid-template-columns: minmax(0, 1fr); }
  @media (min-width: 48rem) { main { grid-template-columns: minmax(0, 1fr) minmax(0, 1fr); } }
  #drop { position: relative; display: grid; place-items: center; min-height: 14rem; border: 2px dashed var(--line); border-radius: .5rem; cursor: pointer; overflow: hidden; text-align: center; }
  #drop.over { border-color: var(--mark); background: var(--soft); }
  #drop:focus-within { outline: 2px solid var(--mark); }
  #drop input { position: absolute; inset: 0; opacity: 0; cursor: pointer; }
  canvas { display: block; max-width: 100%; max-height: 60vh; }
  form { display: grid; gap: .75rem; align-content: start; }
  .row { display: flex; gap: .5rem; }
  input[type=text] { flex: 1; min-width: 0; }
  input[type=text], input[type=password], button, select { font: inherit; padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .4rem; background: var(--soft); color: inherit; }
  button.main { background: var(--mark); border-color: var(--mark); color: #fff; }
  button:disabled { opacity: .5; }
  label.slider { display: grid; grid-template-columns: 9rem minmax(0, 1fr) 3.5rem; gap: .5rem; align-items: center; }
  label.slider output { text-align: right; font-variant-numeric: tabular-nums; }
  #answer { min-height: 5rem; padding: .75rem; border-radius: .4rem; background: var(--soft); white-space: pre-wrap; overflow-wrap: anywhere; }
  #status { color: color-mix(in srgb, currentColor 65%, transparent); font-size: .9rem; }
  table { width: 100%; border-collapse: collapse; font-size: .85rem; font-variant-numeric: tabular-nums; }
  td, th { padding: .15rem .3rem; border-bottom: 1px solid var(--line); text-align: right; }
  td:first-child, th:first-child { text-align: left; overflow-wrap: anywhere; }
  td .bar { display: block; height: .5rem; background: var(--mark); border-radius: 2px; }
  details { grid-column: 1 / -1; }
  [hidden] { display: none !important; }
</style>
</head>
<body data-base="${base}" data-mode="${mode}">
<header><h1>pumice</h1><label>computed <select id="mode"><option value="server">by the server</option><option value="browser">in this browser</option></select></label></header>
<main>
  <section>
    <div id="drop"><p id="hint">Drop, paste or choose a picture</p><canvas id="picture" hidden></canvas><input id="file" type="file" accept="image/png,image/jpeg" aria-label="Choose a picture"></div>
    <label id="overlayLabel" hidden><input id="overlay" type="checkbox" checked> show what the model looked at</label>
  </section>
  <form id="form">
    <div class="row"><input id="question" type="text" value="What is at the left?" aria-label="Question" maxlength="2000"><button class="main" id="ask">Ask</button><button type="button" id="stop" hidden>Stop</button></div>
    <label class="slider" id="keyLabel" hidden><span>API key</span><input id="key" type="password" autocomplete="current-password"></label>
    <label class="slider" id="tokensLabel" hidden><span>visual tokens</span><input id="tokens" type="range" min="1" max="1" value="1"><output></output></label>
    <label class="slider" id="keepLabel" hidden><span>keep rate</span><input id="keep" type="range" min="10" max="100" step="5" value="100"><output></output></label>
    <div id="answer" aria-live="polite"></div>
    <div id="status" role="status"></div>
  </form>
  <details open><summary>Where the time goes</summary><table id="profile"><thead><tr><th>operation</th><th>calls</th><th>ms</th><th>share</th></tr></thead><tbody></tbody></table></details>
</main>
<script type="module" src="${base}/build/src/page/main.js"></script>
</body>
</html>
`;
