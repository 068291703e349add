/**
 * Prints the walk of a request through `lib/` as an indented list: which function calls which, in which file.
 *
 *   npm run trace                      all walks
 *   npm run trace -- post              one of them: post, axios, look-up
 *   npm run trace -- --counts          how many calls, files, and moves between files; no list
 *   npm run trace -- --lib ../other/lib   another copy of lib/
 */
import { createRequire } from 'node:module';
import { join, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { instrument } from './instrument.mjs';
import { below, countsOf, linesOf, Walk } from './walk.mjs';
import { WALKS } from './walks.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    counts: { type: 'boolean', default: false },
    lib: { type: 'string', default: join(ROOT, 'lib') },
  },
});
const unknown = positionals.find((name) => !Object.hasOwn(WALKS, name));
if (unknown) throw new Error(`There is no walk "${unknown}": ${Object.keys(WALKS).join(', ')}.`);

const folder = join(ROOT, 'reports/trace');
instrument(resolve(values.lib), folder);
globalThis.walk = new Walk();
const load = createRequire(join(folder, 'index.js'));
const library = { ...load('./core.js'), ...load('./index.js') };

for (const name of positionals.length > 0 ? positionals : Object.keys(WALKS)) {
  const { title, prepare, from } = WALKS[name];
  const { fresh, once, close } = await prepare(library);
  await once(await fresh?.());
  const parts = await fresh?.();
  const recorded = await globalThis.walk.record(() => once(parts));
  const calls = from ? below(from, recorded) : recorded;
  await close();
  const { calls: count, files, moves } = countsOf(calls);
  console.log(`${title}: ${count} calls, ${files} files, ${moves} moves between files`);
  if (!values.counts) console.log(`${linesOf(calls).join('\n')}\n`);
}
