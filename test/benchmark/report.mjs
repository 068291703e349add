/** A section as text for a terminal. */
export function printSection({ title, tables = [], skipped = [] }) {
  return [
    `\n${title}\n${'='.repeat(title.length)}`,
    ...tables.map(({ title: name, columns, rows }) => `\n${name}\n${textTable(columns, rows)}`),
    ...skipped.map((reason) => `\nskipped: ${reason}`),
  ].join('\n');
}

/** What was wanted, what was measured, and whether that is enough. */
export function printTargets(results) {
  return `\nTargets\n=======\n${textTable(TARGET_COLUMNS, targetRows(results))}`;
}

export const TARGET_COLUMNS = {
  section: 'section',
  name: 'target',
  wanted: 'wanted',
  value: 'measured',
  met: '',
};

export function targetRows(results) {
  return Object.values(results).flatMap(({ title, targets = [] }) =>
    targets.map(({ name, wanted, value, isMet }) => ({
      section: title,
      name,
      wanted,
      value,
      met: isMet ? 'met' : 'not met',
    })),
  );
}

/** Numbers to the digits that a measurement is worth; text as it is. */
export function cell(value) {
  if (typeof value !== 'number') return value ?? '';
  if (!Number.isFinite(value)) return '–';
  const digits = Math.abs(value) >= 100 ? 0 : Math.abs(value) >= 10 ? 1 : 2;
  return value.toLocaleString('en', {
    maximumFractionDigits: digits,
    minimumFractionDigits: Number.isInteger(value) ? 0 : digits,
  });
}

export function isNumeric(rows, key) {
  return rows.some((row) => typeof row[key] === 'number');
}

function textTable(columns, rows) {
  const keys = Object.keys(columns);
  const width = (key) =>
    Math.max(...[columns[key], ...rows.map((row) => cell(row[key]))].map((text) => text.length));
  const line = (text) =>
    keys
      .map((key) => (isNumeric(rows, key) ? text(key).padStart(width(key)) : text(key).padEnd(width(key))))
      .join('  ')
      .trimEnd();
  return [line((key) => columns[key]), ...rows.map((row) => line((key) => cell(row[key])))].join('\n');
}
