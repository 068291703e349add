import 'reflect-metadata';
import { readFileSync } from 'node:fs';
import { parseArgs } from 'node:util';
import { curlLines } from './curl-lines.js';
import { callsOf } from './scenario/calls.js';
import { perform } from './scenario/perform.js';
import { table } from './scenario/table.js';
import { startServices } from './services.js';

/**
 *   npm run sample                             makes the calls, prints what became of them, and ends
 *   npm run sample -- --serve                  goes on serving, and prints each refusal with its reason
 *   npm run sample -- --serve --port 7000      the MAuth service on this port, the other services on the next ones
 *   npm run sample -- --serve --register 5ff4257e-9c16-11e0-b048-0026bbfffe5e=mauth.pub.pem
 *                                              its MAuth service knows an app of yours, too
 */
async function main(): Promise<void> {
  const { values } = parseArgs({
    options: {
      serve: { type: 'boolean', default: false },
      port: { type: 'string' },
      register: { type: 'string', multiple: true, default: [] },
    },
  });
  const apps = values.register.map((text) => {
    const [appUuid = '', file = ''] = text.split('=');
    return { appUuid: appUuid.toLowerCase(), publicKey: readFileSync(file, 'utf8') };
  });
  const services = await startServices({ firstPort: Number(values.port ?? 0), apps });
  console.log(
    `MAuth service ${services.mauthUrl}, studies ${services.studiesUrl}, client ${services.clientUrl}\n`,
  );
  const outcomes = await perform(callsOf(services), services.studiesLog);
  console.log(table(outcomes));
  const surprises = outcomes.filter(({ asExpected }) => !asExpected).length;
  console.log(`\n${outcomes.length - surprises} of ${outcomes.length} calls went as expected.`);
  if (surprises > 0) process.exitCode = 1;
  if (!values.serve) return services.close();
  services.studiesLog.print = (line) => console.log(line);
  console.log(`\n${await curlLines(services)}\n\nCtrl-C ends all three. What is refused from now on:\n`);
}

main().catch((error: unknown) => {
  console.error(error);
  process.exit(1);
});
