import { execFileSync } from 'node:child_process';
import { join } from 'node:path';

const root = join(__dirname, '../..');

/** Runs a script that imports from test/benchmark; it is made of ES modules, which Jest does not load here. */
function run(script: string): unknown {
  const output = execFileSync(process.execPath, ['--input-type=module', '--eval', script], { cwd: root });
  return JSON.parse(output.toString());
}

describe('The benchmark', () => {
  it('has page and plot follow from figures.json', () => {
    const stale = run(`
      import { staleDocuments } from './test/benchmark/results.mjs';
      console.log(JSON.stringify(await staleDocuments()));
    `);
    expect(stale).toEqual([]);
  });

  it('makes page and plot from figures', () => {
    const rows = [{ platform: 'Express', request: 'GET', guard: 'MAuth <V2>', rate: 7000, relative: 0.7 }];
    const section = {
      title: 'Inbound',
      date: '2026-01-01',
      node: 'v20',
      cpu: 'one',
      tables: [{ title: 'T', columns: {}, rows }],
    };
    const documents = run(`
      import { documents } from './test/benchmark/results.mjs';
      console.log(JSON.stringify(await documents(${JSON.stringify({ inbound: section })})));
    `) as Record<string, string>;
    expect(documents['docs/benchmarks.md']).toMatch(/^\| MAuth <V2> +\| 70 % +\|/m);
    expect(documents['docs/benchmarks.svg']).toMatch(/MAuth &lt;V2&gt;<\/text>\n<rect class="ours"/);
    expect(documents['docs/benchmarks.md']).toContain('2026-01-01, Node v20, one');
  });

  it('says of each target whether it is met', () => {
    const targets = run(`
      import { target } from './test/benchmark/harness.mjs';
      console.log(JSON.stringify([
        target('t', 1.35, { atMost: 1.35 }), target('t', 1.36, { atMost: 1.35 }),
        target('t', 0.75, { atLeast: 0.75 }), target('t', 0.74, { atLeast: 0.75 }),
        target('t', 1, { above: 1 }), target('t', NaN, { atMost: 5 }),
      ].map(({ isMet }) => isMet)));
    `);
    expect(targets).toEqual([true, false, true, false, false, false]);
  });
});
