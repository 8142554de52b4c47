"""The style of the page: light and dark, wide and narrow, on screen and on paper."""

CSS = """
:root { color-scheme: light dark; --page: #ffffff; --ink: #1f2328; --soft: #59636e; --line: #d1d9e0; --tile: #f6f8fa;
  --accent: #0072b2; }
@media (prefers-color-scheme: dark) { :root { --page: #14181d; --ink: #dfe5ec; --soft: #9aa5b1; --line: #313a44;
  --tile: #1c2229; --accent: #56b4e9; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 2rem 1.25rem 4rem; max-width: 66rem; background: var(--page); color: var(--ink);
  font: 16px/1.55 system-ui, -apple-system, "Segoe UI", Roboto, "Noto Sans", sans-serif; }
h1 { margin: 0 0 .25rem; font-size: 1.9rem; line-height: 1.2; overflow-wrap: anywhere; }
h2 { margin: 3rem 0 .75rem; padding-top: .75rem; border-top: 1px solid var(--line); font-size: 1.35rem; }
h3 { margin: 1.75rem 0 .5rem; font-size: 1.05rem; }
p { max-width: 48rem; margin: .6rem 0; }
a { color: var(--accent); }
code { font: .9em ui-monospace, "Cascadia Mono", Menlo, Consolas, monospace; overflow-wrap: anywhere; }
.soft, figcaption, caption { color: var(--soft); }
nav ul { display: flex; flex-wrap: wrap; gap: .25rem 1.25rem; margin: 1rem 0 0; padding: 0; list-style: none; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: .75rem; margin: 1.5rem 0;
  padding: 0; list-style: none; }
.tiles li { padding: .8rem 1rem; border: 1px solid var(--line); border-radius: .5rem; background: var(--tile); }
.tiles strong { display: block; font-size: 1.5rem; line-height: 1.3; font-variant-numeric: tabular-nums; }
.tiles span { color: var(--soft); font-size: .85rem; }
.wide { overflow-x: auto; margin: 1rem 0; }
table { border-collapse: collapse; font-size: .9rem; }
caption { text-align: left; padding-bottom: .4rem; font-size: .85rem; }
th, td { padding: .35rem .8rem .35rem 0; text-align: left; vertical-align: top; border-bottom: 1px solid var(--line); }
th { color: var(--soft); font-weight: 600; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
td { overflow-wrap: anywhere; min-width: 3.5rem; }
figure { margin: 1.25rem 0; }
img { display: block; max-width: 100%; height: auto; border-radius: .35rem; }
figcaption { margin-top: .4rem; max-width: 48rem; font-size: .88rem; overflow-wrap: anywhere; }
.pairs { display: grid; grid-template-columns: repeat(auto-fill, minmax(min(100%, 30rem), 1fr)); gap: .5rem 2rem; }
.note { padding: .6rem .9rem; border-left: 3px solid var(--accent); background: var(--tile); }
footer { margin-top: 3rem; border-top: 1px solid var(--line); font-size: .85rem; }
@media print { body { max-width: none; } h2, figure, tr { break-inside: avoid; } nav { display: none; } }
"""
