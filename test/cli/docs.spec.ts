import { chmodSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandLine, mauthWords } from '../support/command-line.js';
import { freePort } from '../support/free-port.js';

const PAGE = readFileSync(join(__dirname, '../../docs/command-line.md'), 'utf8');
const BLOCK = /(<!-- (?:runs until it is interrupted|fragment) -->\n\n)?```(sh|text)\n([^]*?)```/g;

/** The page as one script: what it starts beside is started beside, and each block of text is looked for behind it. */
function scriptOf(page: string): { script: string; expected: string[] } {
  const expected: string[] = [];
  const lines: string[] = [];
  for (const [, note = '', kind, content] of page.matchAll(BLOCK)) {
    if (note.includes('fragment')) continue;
    if (kind === 'text') expected.push(...content.trimEnd().split('\n'));
    else if (note) lines.push(`${content.trim()} & beside=$!`, 'sleep 1');
    else lines.push(content.trim());
  }
  return { script: ['set -e', ...lines, 'kill $beside'].join('\n'), expected };
}

describe('The page about the command line', () => {
  const line = new CommandLine();
  afterAll(() => line.remove());

  it('shows what its commands print', async () => {
    // As installed: `npx mauth` runs the command of the package.
    const words = mauthWords().map((word) => `'${word}'`);
    chmodSync(line.write('bin/npx', `#!/bin/sh\nshift\nexec ${words.join(' ')} "$@"\n`), 0o755);
    const { script, expected } = scriptOf(PAGE.replaceAll('7000', String(await freePort())));
    const env = { PATH: `${line.folder}/bin:${process.env.PATH}` };
    const { exitCode, stdout, stderr } = await line.run(['bash', '-c', script], { env });
    expect({ exitCode, stderr }).toMatchObject({ exitCode: 0 });
    const printed = `${stdout}\n${stderr}`.split(/\r?\n/);
    expect(expected.length).toBeGreaterThan(15);
    for (const wanted of expected) {
      const isPrinted = (one: string) => wanted.split('…').every((part) => one.includes(part));
      expect(printed.find(isPrinted) ?? `not printed: ${wanted}\n${printed.join('\n')}`).toMatch(
        /^(?!not printed)/,
      );
    }
  });
});
