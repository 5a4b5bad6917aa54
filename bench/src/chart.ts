/** docs/benchmarks.svg: horizontal bars, one panel per question, shorter is better. */

import { digits } from './figures.js';
import type { Results } from './results.js';

/** The groups that are drawn. */
const PANELS = ['get-or-create', 'awaited-get', 'sync-get'] as const;
const WIDTH = 760;
const LABEL = 240;
const BAR = 400;
const ROW = 26;
const HEAD = 44;

export function chart({ groups, date, node, cpu }: Results): string {
  const parts: string[] = [];
  let y = 16;
  for (const id of PANELS) {
    const group = groups[id];
    if (group === undefined) continue;
    const bars = Object.entries(group.contenders)
      .map(([name, { ns }]) => ({ name, ns: ns.median }))
      .sort((a, b) => a.ns - b.ns);
    const longest = Math.max(...bars.map(({ ns }) => ns));
    parts.push(text(16, y + 20, `${group.title}, ns per call`, 'title'));
    y += HEAD;
    for (const { name, ns } of bars) {
      const width = Math.max(2, Math.round((ns / longest) * BAR));
      parts.push(
        text(LABEL - 10, y + 15, name, 'label'),
        `<rect class="${name.startsWith('region') ? 'ours' : 'theirs'}" x="${LABEL}" y="${y}" width="${width}" height="${ROW - 6}" rx="2"/>`,
        text(LABEL + width + 8, y + 15, digits(ns), 'number'),
      );
      y += ROW;
    }
    y += 14;
  }
  parts.push(
    text(
      16,
      y + 12,
      `${date}, Node ${node}, ${cpu}. Medians; shorter is better; each panel has its own scale.`,
      'note',
    ),
  );
  y += 30;
  return `<svg xmlns="http://www.w3.org/2000/svg" width="${WIDTH}" height="${y}" viewBox="0 0 ${WIDTH} ${y}" role="img" aria-label="Time per call of Stockpile and its peers">
<style>
  text { font: 13px system-ui, sans-serif; fill: #24292f; }
  .title { font-weight: 600; font-size: 15px; }
  .label { text-anchor: end; }
  .number { font-variant-numeric: tabular-nums; }
  .note { font-size: 11px; fill: #57606a; }
  .ours { fill: #1a7f5a; }
  .theirs { fill: #9aa4af; }
</style>
<rect width="100%" height="100%" fill="#ffffff"/>
${parts.join('\n')}
</svg>
`;
}

function text(x: number, y: number, content: string, style: string): string {
  const escaped = content.replace(/[&<>]/g, (c) => `&#${c.charCodeAt(0)};`);
  return `<text x="${x}" y="${y}" class="${style}">${escaped}</text>`;
}
