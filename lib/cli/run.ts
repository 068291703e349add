import { CommanderError } from 'commander';
import { MAuthError } from '../config/errors.js';
import { CommandFailure, EXIT } from './exit-codes.js';
import { isMethod, isUrl } from './outgoing-request.js';
import { createProgram } from './program.js';

/** Runs a command line, and ends the process with its exit code. */
export async function run(args: readonly string[]): Promise<void> {
  // A reader that has seen enough, such as `head`, is no error.
  process.stdout.on('error', ({ code }: NodeJS.ErrnoException) =>
    process.exit(code === 'EPIPE' ? 0 : EXIT.bug),
  );
  // A command that has something to finish listens itself.
  process.on('SIGINT', () => process.listenerCount('SIGINT') > 1 || process.exit(EXIT.interrupted));
  const exitCode = await exitCodeOf(args);
  // What is written has to leave first; connections that are kept alive must not keep the process.
  process.stdout.write('', () => process.stderr.write('', () => process.exit(exitCode)));
}

async function exitCodeOf(args: readonly string[]): Promise<number> {
  let exitCode: number = EXIT.done;
  const program = createProgram((code) => (exitCode = code));
  const { operands, unknown } = program.parseOptions([...args]);
  // `mauth URL`, `mauth GET URL` and `mauth -q URL` ask for a request.
  const [word] = operands;
  const isRequest =
    word === undefined
      ? unknown.length > 0 && !/^(-h|--help)$/.test(unknown[0])
      : isUrl(word) || isMethod(word);
  try {
    await program.parseAsync(isRequest ? ['request', ...args] : args, { from: 'user' });
    return exitCode;
  } catch (error) {
    return failed(error);
  }
}

function failed(error: unknown): number {
  // Commander has told what is wrong already.
  if (error instanceof CommanderError) return error.exitCode === 0 ? EXIT.done : EXIT.usage;
  if (error instanceof CommandFailure) {
    process.stderr.write(`mauth: ${error.message}\n`);
    return error.exitCode;
  }
  if (error instanceof MAuthError) {
    process.stderr.write(`mauth: ${error.message}\n`);
    return EXIT.configuration;
  }
  process.stderr.write(
    `mauth: this is a bug; please report it.\n${(error as Error)?.stack ?? String(error)}\n`,
  );
  return EXIT.bug;
}
