import 'reflect-metadata';
import { curlLines } from './curl-lines.js';
import { callsOf } from './scenario/calls.js';
import { perform } from './scenario/perform.js';
import { table } from './scenario/table.js';
import { startServices } from './services.js';

async function main(): Promise<void> {
  const services = await startServices();
  console.log(
    `MAuth service ${services.mauthUrl}, studies ${services.studiesUrl}, client ${services.clientUrl}\n`,
  );
  const outcomes = await perform(callsOf(services), services.studiesLog);
  console.log(table(outcomes));
  const surprises = outcomes.filter(({ asExpected }) => !asExpected).length;
  console.log(`\n${outcomes.length - surprises} of ${outcomes.length} calls went as expected.`);
  if (surprises > 0) process.exitCode = 1;
  if (process.argv.includes('--serve'))
    console.log(`\n${await curlLines(services)}\n\nCtrl-C ends all three.`);
  else await services.close();
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
