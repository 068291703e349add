/** What the command line exits with. */
export const EXIT = {
  done: 0,
  bug: 1,
  usage: 2,
  configuration: 3,
  clientError: 4,
  serverError: 5,
  unreachable: 6,
  inauthentic: 7,
  undecided: 8,
  interrupted: 130,
} as const;

/** Ends a command with a message for the user: what is wrong, and the remedy. */
export class CommandFailure extends Error {
  override readonly name = 'CommandFailure';

  /** @param exitCode one of `EXIT` */
  constructor(
    readonly exitCode: number,
    message: string,
    options?: ErrorOptions,
  ) {
    super(message, options);
  }
}

export function wrongUsage(message: string): CommandFailure {
  return new CommandFailure(EXIT.usage, message);
}

export function wrongConfiguration(message: string): CommandFailure {
  return new CommandFailure(EXIT.configuration, message);
}
