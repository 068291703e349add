/** How much longer an application takes to start with the package, and how fast the command line starts. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { interleave } from '../harness.mjs';
import { caller, privatePem } from '../parties.mjs';
import { Child } from '../processes/child.mjs';

export const title = 'Start-up';

export default async function startUp({ isQuick }) {
  const rows = [];
  for (const format of ['ES modules', 'CommonJS']) {
    const start = (withPackage) => async () => {
      const options = { withPackage, format, appUuid: caller.appUuid, privatePem: privatePem() };
      const child = await Child.start('start-up.mjs', options);
      await child.stop();
      return child.ready;
    };
    const measured = await interleave({ without: start(false), with: start(true) }, isQuick ? 1 : 15);
    const { importing, starting } = measured.with;
    rows.push({
      format,
      importing: importing.median,
      spread: importing.spread,
      forRoot: starting.median - measured.without.starting.median,
      without: measured.without.starting.median,
    });
  }
  const commands = await measureCommands(isQuick ? 1 : 15);
  return {
    tables: [
      {
        title: 'Added by the package, where Nest and axios are loaded already',
        columns: {
          format: '',
          importing: 'import, ms',
          spread: '± %',
          forRoot: 'forRoot, ms',
          without: '(an empty application, ms)',
        },
        rows,
      },
      {
        title: 'A command from its start to its end',
        columns: { command: '', milliseconds: 'ms', ratio: '× `node -e 0`' },
        rows: commands,
      },
    ],
  };
}

const MAUTH = fileURLToPath(new URL('../../../dist/cjs/cli/mauth.js', import.meta.url));
const COMMANDS = {
  'node -e 0': ['-e', '0'],
  'mauth --version': [MAUTH, '--version'],
  'mauth sign': [MAUTH, 'sign', 'GET', 'https://api.example.com/studies'],
};

async function measureCommands(rounds) {
  const env = { ...process.env, APP_UUID: caller.appUuid, PRIVATE_KEY: privatePem() };
  const runs = Object.entries(COMMANDS).map(([command, args]) => [
    command,
    async () => {
      const started = performance.now();
      const { status, stderr } = spawnSync(process.execPath, args, { env });
      if (status !== 0) throw new Error(`${command} ended with ${status}: ${stderr}`);
      return { milliseconds: performance.now() - started };
    },
  ]);
  const measured = await interleave(Object.fromEntries(runs), rounds);
  const floor = measured['node -e 0'].milliseconds.median;
  return Object.entries(measured).map(([command, { milliseconds }]) => ({
    command: `\`${command}\``,
    milliseconds: milliseconds.median,
    ratio: milliseconds.median / floor,
  }));
}
