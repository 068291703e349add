/** How much longer an application takes to start with the package, and how fast the command line starts. */
import { spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { interleave, ratio, target } from '../harness.mjs';
import { caller, privatePem, publicPem, signer } from '../parties.mjs';
import { Child } from '../processes/child.mjs';

export const title = 'Start-up';

/** What the figures are to be compared with; it cannot be measured any more. */
const BEFORE =
  'Before the build was bundled, in November 2026: `nestjs-mauth` 82 ms (CommonJS) and 130 ms (ES modules) beyond Nest ' +
  'and axios; `nestjs-mauth/lambda` 72 and 126 ms; 1,134 files and 5.3 MB unpacked, where there are 76 and 1.2 MB now.';

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
  const functions = await measureFunctions(isQuick ? 1 : 15);
  const [, version, sign] = commands;
  return {
    targets: [
      ...rows.map(({ format, importing }) =>
        target(`Importing nestjs-mauth, beyond Nest and axios, ${format}`, importing, {
          atMost: 30,
          unit: ' ms',
        }),
      ),
      ...functions.map(({ format, relative }) =>
        target(
          `Importing nestjs-mauth/lambda, beside its modules of Node and libraries alone, ${format}`,
          relative,
          {
            atMost: 1.5,
            unit: ' ×',
          },
        ),
      ),
      target('mauth --version, beside node -e 0', version.ratio, { atMost: 1.5, unit: ' ×' }),
      target('mauth sign, beside node -e 0', sign.ratio, { atMost: 3, unit: ' ×' }),
    ],
    notes: [BEFORE],
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
        title: 'A cold Lambda function, `nestjs-mauth/lambda`',
        columns: {
          format: '',
          importing: 'import, ms',
          libraries: '(modules of Node and libraries alone, ms)',
          relative: '×',
          authenticating: 'first authentication, ms',
        },
        rows: functions,
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

/** What `nestjs-mauth/lambda` needs from elsewhere, as whole packages, also where the build contains parts of them. */
const LIBRARIES = [
  ...['node:async_hooks', 'node:buffer', 'node:crypto', 'node:diagnostics_channel', 'node:events', 'node:fs'],
  ...['node:fs/promises', 'node:http', 'node:https', 'node:stream', 'node:url', 'node:util', 'node:zlib'],
  ...['cockatiel', 'http-cache-semantics', 'lru-cache', 'valibot'],
];

async function measureFunctions(rounds) {
  const headers = await signer('v2').signRequest({ method: 'GET', url: '/studies' });
  const event = {
    version: '2.0',
    rawPath: '/studies',
    rawQueryString: '',
    headers: Object.fromEntries(Object.entries(headers).map(([name, value]) => [name.toLowerCase(), value])),
    requestContext: { http: { method: 'GET', path: '/studies' } },
  };
  const rows = [];
  for (const format of ['ES modules', 'CommonJS']) {
    const start = (withPackage) => async () => {
      const parties = { appUuid: caller.appUuid, publicPem: publicPem() };
      const options = { withPackage, format, libraries: LIBRARIES, caller: parties, event };
      const child = await Child.start('cold-lambda.mjs', options);
      await child.stop();
      return child.ready;
    };
    const measured = await interleave({ libraries: start(false), function: start(true) }, rounds);
    rows.push({
      format,
      importing: measured.function.importing.median,
      libraries: measured.libraries.importing.median,
      relative: ratio(measured.function.importing, measured.libraries.importing),
      authenticating: measured.function.authenticating.median,
    });
  }
  return rows;
}
