/**
 * The figures in the documentation. `figures.json` is what was measured; page and plot are made from it and from nothing
 * else, so they can be checked without measuring anything.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { format } from 'prettier';
import { throughputPlot } from './plot.mjs';
import { cell, isNumeric, TARGET_COLUMNS, targetRows } from './report.mjs';

const root = new URL('../../', import.meta.url);
const FIGURES = 'test/benchmark/figures.json';
const PAGE = 'docs/benchmarks.md';
const PLOT = 'docs/benchmarks.svg';

/** Replaces the sections that were measured; the others stay as they were. */
export async function writeResults(results) {
  const before = existsSync(new URL(FIGURES, root)) ? readFigures() : {};
  write(FIGURES, await pretty(JSON.stringify({ ...before, ...results }, digits), 'json'));
  for (const [path, content] of Object.entries(await documents())) write(path, content);
}

/** Everything that is made from the figures, by path. */
export async function documents(results = readFigures()) {
  const { inbound } = results;
  return {
    [PAGE]: await pretty(page(results), 'markdown'),
    ...(inbound && { [PLOT]: throughputPlot(inbound.tables[0].rows, machineOf(inbound)) }),
  };
}

/** Which of them do not follow from the figures; `figures.json` is the only one to be changed, by measuring. */
export async function staleDocuments() {
  if (!existsSync(new URL(FIGURES, root))) return [];
  const isStale = ([path, content]) =>
    !existsSync(new URL(path, root)) || readFileSync(new URL(path, root), 'utf8') !== content;
  return Object.entries(await documents())
    .filter(isStale)
    .map(([path]) => path);
}

function readFigures() {
  return JSON.parse(readFileSync(new URL(FIGURES, root), 'utf8'));
}

function write(path, content) {
  writeFileSync(new URL(path, root), content);
}

/** As `npm run lint` wants it. */
function pretty(text, parser) {
  return format(text, { parser, singleQuote: true, trailingComma: 'all', printWidth: 110 });
}

function digits(_key, value) {
  return typeof value === 'number' ? Number(value.toPrecision(4)) : value;
}

function machineOf({ date, node, cpu }) {
  return `${date}, Node ${node}, ${cpu}`;
}

function page(results) {
  return [
    '# Benchmarks',
    'Verifying is one RSA operation and little else: keys are kept parsed, headers are read in one pass, bodies are ' +
      'hashed as they arrive, and a request without MAuth headers passes an open route untouched. V2 is signed on the ' +
      'thread pool.',
    ...(results.inbound ? summary(results.inbound) : []),
    '## How it is measured',
    'By `npm run bench -- --write`, which writes this page; see [Speed](contributing/speed.md). Candidates take turns ' +
      'in rounds; figures are medians over the rounds, with half of the interquartile range as ±; ratios are taken ' +
      'within each round. A measurement whose result is wrong ends the run.',
    '## Targets',
    markdownTable(TARGET_COLUMNS, targetRows(results)),
    ...Object.values(results).flatMap((section) => [
      `## ${section.title}`,
      machineOf(section),
      ...(section.notes ?? []),
      ...(section.tables ?? []).flatMap(({ title, columns, rows }) => [
        `### ${title}`,
        markdownTable(columns, rows),
      ]),
      ...(section.skipped ?? []).map((reason) => `Skipped: ${reason}.`),
    ]),
  ].join('\n\n');
}

/** GET and POST of 1 kB, and no more: the rest of the page has all. */
function summary(inbound) {
  const kinds = ['Express, GET', 'Express, POST 1 kB', 'Fastify, GET', 'Fastify, POST 1 kB'];
  const { rows } = inbound.tables[0];
  const guards = [...new Set(rows.map(({ guard }) => guard))];
  const summarised = guards.map((guard) => ({
    guard,
    ...Object.fromEntries(
      kinds.map((kind) => {
        const row = rows.find((one) => one.guard === guard && `${one.platform}, ${one.request}` === kind);
        return [kind, row ? `${Math.round(row.relative * 100)} %` : '–'];
      }),
    ),
  }));
  const columns = { guard: '', ...Object.fromEntries(kinds.map((kind) => [kind, kind])) };
  return [
    '![Requests a second, relative to an application without a guard](benchmarks.svg)',
    `Requests a second, in percent of an application without a guard (${machineOf(inbound)}):`,
    markdownTable(columns, summarised),
  ];
}

function markdownTable(columns, rows) {
  const keys = Object.keys(columns);
  const line = (cells) => `| ${cells.map((text) => text.replaceAll('|', '\\|')).join(' | ')} |`;
  return [
    line(keys.map((key) => columns[key])),
    line(keys.map((key) => (isNumeric(rows, key) ? '---:' : '---'))),
    ...rows.map((row) => line(keys.map((key) => cell(row[key])))),
  ].join('\n');
}
