/**
 * Bars of throughput relative to an unguarded application, as an SVG that is legible on light and dark pages.
 */
const WIDTH = 820;
const LABEL = 250;
const [TOP, ROW, BAR, GAP] = [64, 22, 14, 34];
const SCALE = WIDTH - LABEL - 70;

/** Categories that are coloured alike in every group: ours, what it is measured against, and the rest. */
const kindOf = (guard) => (/MAuth|@Public/.test(guard) ? 'ours' : /RS512|RFC/.test(guard) ? 'other' : 'bare');

/**
 * @param rows of the table of the inbound section
 * @param caption one line: date, Node, processor
 */
export function throughputPlot(rows, caption) {
  const shown = rows.filter(({ request }) => request === 'GET' || request === 'POST 1 kB');
  const groups = groupBy(shown, ({ platform, request }) => `${platform}, ${request}`);
  const parts = [];
  let y = TOP;
  for (const [name, bars] of groups) {
    parts.push(text(12, y + 4, name, 'group'));
    y += 12;
    for (const bar of bars) {
      parts.push(...barOf(y, bar));
      y += ROW;
    }
    y += GAP;
  }
  const height = y - GAP + 24;
  return [
    `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${WIDTH} ${height}" role="img" aria-labelledby="title">`,
    `<title id="title">Requests a second, relative to an application without a guard</title>`,
    STYLE,
    `<rect class="page" width="${WIDTH}" height="${height}" rx="8"/>`,
    text(12, 26, 'Requests a second, relative to an application without a guard', 'title'),
    text(12, 44, caption, 'note'),
    ...[0, 0.25, 0.5, 0.75, 1].flatMap((part) => gridLine(part, TOP - 8, height - 22)),
    ...parts,
    '</svg>',
    '',
  ].join('\n');
}

function groupBy(rows, nameOf) {
  const groups = new Map();
  for (const row of rows) groups.set(nameOf(row), [...(groups.get(nameOf(row)) ?? []), row]);
  return groups;
}

function barOf(y, { guard, relative }) {
  const width = Math.max(1, Math.min(1.08, relative) * SCALE);
  return [
    text(LABEL - 8, y + BAR - 2, guard, 'label'),
    `<rect class="${kindOf(guard)}" x="${LABEL}" y="${y}" width="${width.toFixed(1)}" height="${BAR}" rx="2"/>`,
    text(LABEL + width + 6, y + BAR - 2, `${(relative * 100).toFixed(0)} %`, 'value'),
  ];
}

function gridLine(part, top, bottom) {
  const x = LABEL + part * SCALE;
  return [
    `<line class="grid" x1="${x}" x2="${x}" y1="${top}" y2="${bottom}"/>`,
    text(x, bottom + 14, `${part * 100} %`, 'axis'),
  ];
}

function text(x, y, content, style) {
  return `<text class="${style}" x="${Number(x.toFixed(1))}" y="${y}">${escaped(content)}</text>`;
}

function escaped(content) {
  return content.replaceAll('&', '&amp;').replaceAll('<', '&lt;').replaceAll('>', '&gt;');
}

const STYLE = `<style>
  text { font: 12px system-ui, -apple-system, 'Segoe UI', Helvetica, Arial, sans-serif; fill: #1f2328; }
  .page { fill: #ffffff; }
  .title { font-size: 15px; font-weight: 600; }
  .group { font-weight: 600; }
  .note, .axis { font-size: 11px; fill: #59636e; }
  .axis { text-anchor: middle; }
  .label { text-anchor: end; }
  .grid { stroke: #d1d9e0; stroke-width: 1; }
  .ours { fill: #0969da; }
  .other { fill: #bc6c25; }
  .bare { fill: #8c959f; }
  @media (prefers-color-scheme: dark) {
    text { fill: #e6edf3; }
    .page { fill: #0d1117; }
    .note, .axis { fill: #9198a1; }
    .grid { stroke: #3d444d; }
    .ours { fill: #4493f8; }
    .other { fill: #d29922; }
    .bare { fill: #6e7681; }
  }
</style>`;
