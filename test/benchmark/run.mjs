/**
 * The benchmark of the built package.
 *
 *   npm run bench                    everything, about an hour
 *   npm run bench -- core inbound    these sections only
 *   npm run bench -- --quick         sees that everything works; its figures mean nothing
 *   npm run bench -- --write         everything, and the figures go into the documentation
 *   npm run bench -- --json          figures as JSON instead of tables
 *   npm run bench -- --seconds 0.5 --rounds 3    for each candidate, instead of what its section thinks right
 */
import { cpus } from 'node:os';
import { parseArgs } from 'node:util';
import { printSection, printTargets } from './report.mjs';
import { writeResults } from './results.mjs';

const SECTIONS = ['core', 'inbound', 'outbound', 'responses', 'memory', 'start-up', 'floods'];

const { values: flags, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    quick: { type: 'boolean' },
    write: { type: 'boolean' },
    json: { type: 'boolean' },
    seconds: { type: 'string' },
    rounds: { type: 'string' },
  },
});
const unknown = positionals.filter((name) => !SECTIONS.includes(name));
if (unknown.length > 0)
  throw new Error(`There is no section ${unknown.join(', ')}; there are ${SECTIONS.join(', ')}.`);
if (flags.quick && flags.write) throw new Error('Figures of --quick mean nothing; they are not written.');

const machine = {
  date: new Date().toISOString().slice(0, 10),
  node: process.version,
  cpu: `${cpus().length} × ${cpus()[0]?.model.trim() ?? 'unknown'}`,
};
const say = flags.json ? () => {} : console.log;
const options = {
  isQuick: flags.quick === true,
  seconds: flags.seconds && Number(flags.seconds),
  rounds: flags.rounds && Number(flags.rounds),
};
// Errors of clients hold every socket; what happened is in the first lines.
process.on('uncaughtException', (error) => {
  console.error(error.stack);
  process.exit(1);
});
const results = {};
say(`Node ${machine.node}, ${machine.cpu}, ${machine.date}`);
for (const name of positionals.length > 0 ? positionals : SECTIONS) {
  const { title, default: measure } = await import(`./sections/${name}.mjs`);
  const started = performance.now();
  results[name] = { title, ...machine, ...(await measure(options)) };
  say(printSection(results[name]));
  say(`(${Math.round((performance.now() - started) / 1000)} s)`);
}
if (flags.json) console.log(JSON.stringify(results, undefined, 2));
else if (flags.quick) say('\nEverything works.');
else say(printTargets(results));
if (flags.write) await writeResults(results);
