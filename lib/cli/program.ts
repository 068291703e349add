import { Command, Option } from 'commander';
import { VERSION } from '../config/version.js';
import { Terminal } from './terminal.js';

/** What the module of a command does with the words and flags that commander has read. */
type Action = (terminal: Terminal, words: string[], flags: never) => Promise<number>;

/**
 * The commands and their flags. The module of a command is loaded when it is asked for, so that none pays for another.
 *
 * @param done gets the exit code of the command
 */
export function createProgram(done: (exitCode: number) => void): Command {
  const program = new Command('mauth')
    .description('Signs, sends, checks and explains requests with MAuth signatures.')
    .version(VERSION, '-V, --version')
    .usage('<command> [options]   or   mauth [METHOD] URL [BODY]')
    .option('--app-uuid <uuid>', 'app that signs (APP_UUID)')
    .option('--key <file>', 'its private key (MAUTH_PRIVATE_KEY_FILE)')
    .option('--mauth-url <url>', 'the MAuth service (MAUTH_URL)')
    .option(
      '--config <file>',
      'YAML file with these; default ~/.mauth_config.yml, config/mauth.yml, mauth.yml',
    )
    .option('--section <name>', 'its section; default RAILS_ENV, RACK_ENV, development, common')
    .option('--color', 'colours, also where there is no terminal')
    .option('--no-color', 'no colours')
    .showHelpAfterError('See "mauth --help".')
    .exitOverride()
    .addHelpText(
      'after',
      `
Examples:
  mauth https://api.example.com/studies
  mauth explain request.txt --public-key caller.pub.pem

Exit codes: 0 done, 2 usage, 3 configuration, 4 and 5 HTTP status, 6 unreachable, 7 inauthentic, 8 undecided`,
    );
  const add = (usage: string, description: string, examples: readonly string[], action: Action): Command =>
    program
      .command(usage)
      .description(description)
      .addHelpText(
        'after',
        `\nAs every command: --app-uuid, --key, --mauth-url, --config, --section, --[no-]color; see mauth --help` +
          `\n\nExamples:\n${examples.map((line) => `  mauth ${line}`).join('\n')}`,
      )
      .action(async (...args: unknown[]) => {
        const command = args.at(-1) as Command;
        const flags = command.optsWithGlobals<{ color?: boolean }>();
        done(await action(new Terminal(flags.color), args.slice(0, -2).flat() as string[], flags as never));
      });

  withRequestFlags(
    add(
      'request [words...]',
      'Sign a request, send it, and authenticate the answer.',
      ['https://api.example.com/studies', `POST https://api.example.com/studies '{"name":"ACME-1"}'`],
      async (terminal, words, flags) =>
        (await import('./commands/request.js')).request(words, flags, terminal),
    ).usage('[options] [METHOD] URL [BODY]'),
  )
    .option('-v, --verbose', 'show heads on stderr, as curl does', true)
    .option('--no-verbose', 'the body of the answer alone')
    .option('-q, --quiet', 'the same')
    .option('--authenticate', 'authenticate the answer', true)
    .option('--no-authenticate', 'take any answer')
    .option('--no-ssl-verify', 'take any certificate (for a try)')
    .option('--timeout <seconds>', 'for the whole exchange', '60')
    .option('--check-status', 'exit with 4 or 5 for HTTP 4xx or 5xx')
    .option('--offline', 'print the signed request, send nothing')
    .option('-o, --output <file>', 'write the body of the answer to a file');

  withRequestFlags(
    add(
      'sign <words...>',
      'Print the MAuth headers of a request.',
      [
        'sign GET https://api.example.com/studies',
        'sign POST https://api.example.com/studies -d @study.json --curl',
      ],
      async (terminal, words, flags) => (await import('./commands/sign.js')).sign(words, flags, terminal),
    ).usage('[options] METHOD URL'),
  )
    .option('--curl', 'as a command line of curl')
    .option('--json', 'as JSON');

  withCapturedFlags(
    add(
      'verify [file]',
      'Tell whether a recorded request is authentic.',
      ['verify request.txt --public-key caller.pub.pem', 'verify --har api.har --service'],
      async (terminal, [file], flags) => (await import('./commands/verify.js')).verify(file, flags, terminal),
    ),
  );
  withCapturedFlags(
    add(
      'explain [file]',
      'Tell why the signature of a recorded request does not match.',
      ['explain request.txt --public-key caller.pub.pem', `explain --curl "curl …" --service --prefix /api`],
      async (terminal, [file], flags) =>
        (await import('./commands/explain.js')).explain(file, flags, terminal),
    ),
  )
    .option('--expected <file>', 'the string to sign that the sender says it signed')
    .addOption(repeatable('--prefix <path>', 'a path that a proxy may add or remove'));

  add(
    'keygen',
    'Make a key pair and an app UUID.',
    ['keygen', 'keygen --out keys --app-uuid 5ff4257e-9c16-11e0-b048-0026bbfffe5e'],
    async (terminal, _words, flags) => (await import('./commands/keygen.js')).keygen(flags, terminal),
  )
    .option('--out <folder>', 'where the two files go', '.')
    .option('--bits <number>', 'length of the key', '2048');

  add(
    'serve',
    'Run a MAuth service for work without a network.',
    ['serve --keys keys', 'serve --keys keys -p 7001 --fault hang'],
    async (terminal, _words, flags) => (await import('./commands/serve.js')).serve(flags, terminal),
  )
    .requiredOption('--keys <folder>', 'public keys, named <app UUID>.pub.pem')
    .option('-p, --port <number>', 'on 127.0.0.1', '7000')
    .option('--max-age <seconds>', 'how long callers may keep a key')
    .option(
      '--fault <kind>',
      'go wrong: a status, hang, refuse, malformed, other_app, redirect, endless, oversized',
    );

  add(
    'doctor',
    'Look at key, MAuth service, clock and registration.',
    ['doctor', 'doctor --config config/mauth.yml --section production'],
    async (terminal, _words, flags) => (await import('./commands/doctor.js')).doctor(flags, terminal),
  ).option('--timeout <seconds>', 'for the answer of the service', '10');

  add(
    'proxy [target]',
    'Sign what other programs send through a local address.',
    ['proxy https://api.example.com', 'proxy --browser https://api.example.com --record session.har'],
    async (terminal, [target], flags) => (await import('./commands/proxy.js')).proxy(target, flags, terminal),
  )
    .option('-p, --port <number>', 'on 127.0.0.1', '9292')
    .option('--browser <origins...>', 'proxy of a browser: sign requests to these origins')
    .addOption(new Option('--browser_proxy, --browser-proxy <origins...>').hideHelp())
    .addOption(repeatable('-H, --header <line>', 'set on each request that is signed; may come again'))
    .option('--authenticate', 'authenticate answers, up to 10 MiB', true)
    .option('--no-authenticate', 'pass on any answer, as it comes')
    .addOption(repeatable('--allow-origin <origin>', 'pages that may have requests signed; may come again'))
    .option('--max-body <size>', 'longest body of a request', '64MiB')
    .option('--record <file>', 'write a HAR file, without signatures')
    .option('--no-ssl-verify', 'take any certificate (for a try)');

  add(
    'routes <module>',
    'List the routes of a Nest application, and who may call them.',
    ['routes dist/app.module.js', 'routes dist/app.module.js --check mauth-routes.txt'],
    async (terminal, [module], flags) =>
      (await import('./commands/routes.js')).routes(module, flags, terminal),
  )
    .option('--check <file>', 'print what differs from a list that was written, exit with 7')
    .option('--write <file>', 'write the list')
    .option('--prefix <path>', 'the global prefix, where main.ts sets one')
    .option('--json', 'print JSON');

  return program;
}

function repeatable(flags: string, description: string): Option {
  return new Option(flags, description).argParser((value: string, values: string[] = []) => [
    ...values,
    value,
  ]);
}

function withRequestFlags(command: Command): Command {
  return command
    .option('-d, --data <data>', 'the body: text, @file, or @- for stdin')
    .option('-t, --content-type <type>', 'of the body; default application/json')
    .addOption(repeatable('-H, --header <line>', 'one more header; may come again'))
    .option('--sign-versions <versions>', 'v1, v2 or v1,v2');
}

function withCapturedFlags(command: Command): Command {
  return command
    .option('--curl <line>', 'a command line of curl instead of a file')
    .option('--har <file>', 'an entry of a HAR file instead')
    .option('--entry <number>', 'which one; default the first that is signed')
    .option('--public-key <file>', 'public key of the app that signed')
    .option('--service', 'ask the MAuth service for it')
    .option('--now <seconds>', 'check the time of the request against this one')
    .option('--json', 'print JSON');
}
