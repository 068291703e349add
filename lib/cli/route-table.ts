/** A handler that requests reach, and who may. */
export interface RouteRow {
  /** `ALL` = any method. */
  readonly method: string;
  readonly path: string;
  /** Class and method; several where it cannot be told whose route it is. */
  readonly handler: string;
  /** `open`: every caller. `optional`: unsigned requests as well. `required`: authentic requests only. */
  readonly protection: 'open' | 'optional' | 'required';
  /** Names or UUIDs of the apps that may call it; undefined: every authentic app. */
  readonly apps?: readonly string[];
}

/** One line for each route, in an order that does not change with the application's. */
export function routeTable(rows: readonly RouteRow[]): string {
  const cells = [...rows]
    .sort(byPath)
    .map(({ method, path, handler, protection, apps }) => [
      method,
      path,
      protection + (apps ? ` (${[...apps].sort().join(', ')})` : ''),
      handler,
    ]);
  const widths = [0, 1, 2].map((column) => Math.max(0, ...cells.map((row) => row[column].length)));
  const lines = cells.map((row) => row.map((cell, column) => cell.padEnd(widths[column] ?? 0)).join('  '));
  return lines.map((line) => `${line.trimEnd()}\n`).join('');
}

function byPath(one: RouteRow, other: RouteRow): number {
  const keys = [one, other].map(({ path, method, handler }) => [path, method, handler].join('\n'));
  return keys[0] < keys[1] ? -1 : 1;
}

/** Lines that are gone (`-`) and lines that have come (`+`); empty where both tables say the same. */
export function tableDifference(before: string, after: string): string[] {
  const [old, now] = [before, after].map((table) => linesOf(table));
  return [
    ...old.filter((line) => !now.includes(line)).map((line) => `- ${line}`),
    ...now.filter((line) => !old.includes(line)).map((line) => `+ ${line}`),
  ].sort((one, other) => (one.slice(2) < other.slice(2) ? -1 : 1));
}

/** Without what only aligns columns, which one longer path would change in every line. */
function linesOf(table: string): string[] {
  return table
    .split(/\r?\n/)
    .map((line) => line.trim().replace(/ {2,}/g, '  '))
    .filter((line) => line !== '');
}
