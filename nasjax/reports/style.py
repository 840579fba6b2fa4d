"""The style sheet of a report: light and dark, no fonts or files from anywhere else."""

CSS = """
:root {
  color-scheme: light dark;
  --sans: system-ui, -apple-system, "Segoe UI", Roboto, "Helvetica Neue", Arial, sans-serif;
  --paper: #f6f7f9; --card: #ffffff; --ink: #1b1f24; --muted: #5b6570; --grid: #dce1e6;
  --accent: #0072b2; --win: #009e73; --loss: #d55e00; --wait: #b27700;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #0f1317; --card: #171c22; --ink: #e7ebef; --muted: #9aa6b2; --grid: #303841;
    --accent: #56b4e9; --win: #2fbf95; --loss: #f0843c; --wait: #e6b34d;
  }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 15px/1.5 var(--sans); }
main { max-width: 960px; margin: 0 auto; padding: 28px 20px 60px; }
header, section {
  background: var(--card); border: 1px solid var(--grid); border-radius: 10px;
  padding: 20px 24px; margin-bottom: 18px;
}
h1 { font-size: 22px; line-height: 1.3; margin: 0 0 6px; }
h2 { font-size: 17px; margin: 0 0 12px; }
h3 { font-size: 14px; margin: 18px 0 4px; color: var(--muted); font-weight: 600; }
p { margin: 8px 0; }
.pill {
  font-size: 12px; font-weight: 600; padding: 2px 10px; border-radius: 99px; margin-left: 6px;
  vertical-align: 3px; border: 1px solid currentColor; color: var(--muted);
}
.pill.finished { color: var(--win); }
.pill.running { color: var(--accent); }
.pill.stopped { color: var(--wait); }
.best { font-size: 17px; font-weight: 600; margin: 4px 0 14px; overflow-wrap: anywhere; }
.best i { color: var(--muted); font-style: normal; padding: 0 2px; }
.tiles { display: grid; grid-template-columns: repeat(auto-fit, minmax(135px, 1fr)); gap: 10px; }
.tile { border: 1px solid var(--grid); border-radius: 8px; padding: 8px 12px; min-width: 0; }
.tile span, .tile small { display: block; color: var(--muted); font-size: 12px; }
.tile small { overflow-wrap: anywhere; line-height: 1.3; }
.tile b { font-size: 21px; font-variant-numeric: tabular-nums; }
.caption, .note { color: var(--muted); font-size: 13px; max-width: 76ch; }
.note { color: var(--wait); }
svg { display: block; max-width: 100%; height: auto; }
.pair { display: flex; flex-wrap: wrap; gap: 8px; }
.pair svg { flex: 1 1 300px; min-width: 0; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; width: 100%; font-size: 14px; }
th, td { text-align: left; padding: 5px 10px 5px 0; border-bottom: 1px solid var(--grid); }
th { color: var(--muted); font-weight: 500; font-size: 12px; vertical-align: bottom; }
td { overflow-wrap: break-word; min-width: 3ch; }
th.n, td.n { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tbody tr:last-child td { border-bottom: 0; }
.bar { width: 110px; height: 9px; }
.bar i { display: block; height: 100%; border-radius: 3px; min-width: 1px; }
.bar .win { background: var(--win); }
.bar .loss { background: var(--loss); }
pre {
  background: var(--paper); border: 1px solid var(--grid); border-radius: 6px;
  padding: 10px 12px; overflow-x: auto; font-size: 13px;
}
details { margin-top: 10px; }
summary { cursor: pointer; color: var(--accent); font-size: 14px; }
@media (max-width: 560px) { header, section { padding: 16px; } }
"""
