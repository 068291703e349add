import { type MAuthAuthenticator } from '../../authentication/mauth-authenticator.js';
import { MAuthConfigurationError } from '../../config/errors.js';
import { readConfiguration, type CommonFlags, type Configuration } from '../configuration.js';
import { CommandFailure, EXIT, wrongConfiguration, wrongUsage } from '../exit-codes.js';
import { interrupted } from '../interrupted.js';
import { headerOf } from '../outgoing-request.js';
import { portOf } from '../port.js';
import { SigningProxy, type SigningProxyOptions } from '../proxy/signing-proxy.js';
import { signerFor } from '../signer.js';
import { type Terminal } from '../terminal.js';

export interface ProxyFlags extends CommonFlags {
  readonly port: string;
  readonly browser?: readonly string[];
  readonly browserProxy?: readonly string[];
  readonly header?: readonly string[];
  readonly authenticate: boolean;
  readonly allowOrigin?: readonly string[];
  readonly maxBody: string;
  readonly record?: string;
  readonly sslVerify: boolean;
}

/** `mauth proxy`: signs what other programs send through it, until it is interrupted. */
export async function proxy(
  target: string | undefined,
  flags: ProxyFlags,
  terminal: Terminal,
): Promise<number> {
  const browserOrigins = [...(flags.browser ?? []), ...(flags.browserProxy ?? [])];
  if ((target === undefined) === (browserOrigins.length === 0)) {
    throw wrongUsage(
      'Name a TARGET such as https://api.example.com, or the origins of the browser mode with --browser.',
    );
  }
  const port = portOf(flags.port);
  const maxBody = bytesOf(flags.maxBody);
  const headers = (flags.header ?? []).map(headerOf);
  const configuration = await readConfiguration(flags, ['appUuid', 'privateKey']);
  const authenticator = flags.authenticate ? await authenticatorFor(configuration) : undefined;
  const running = await started(port, {
    signer: signerFor(configuration),
    ...(authenticator && { authenticator }),
    ...(target === undefined ? { browserOrigins } : { target }),
    headers,
    allowedOrigins: flags.allowOrigin ?? [],
    maxBody,
    ...(flags.record === undefined ? {} : { record: flags.record }),
    rejectUnauthorized: flags.sslVerify,
    log: (line) => terminal.note(line),
  });
  terminal.print(running.url);
  terminal.note(
    target === undefined
      ? `Set ${running.url} as the HTTP proxy of the browser, and open the addresses with http:. Ctrl+C ends it.`
      : `Signs as ${configuration.appUuid} and sends on to ${target}. Ctrl+C ends it.`,
  );
  await interrupted();
  await running.proxy.close();
  return EXIT.interrupted;
}

async function authenticatorFor(configuration: Configuration): Promise<MAuthAuthenticator> {
  if (configuration.mauthUrl === undefined) {
    throw wrongConfiguration(
      'Answers cannot be authenticated without a MAuth service: set --mauth-url, MAUTH_URL, or mauth_baseurl in ' +
        'mauth.yml; or set --no-authenticate.',
    );
  }
  const { MAuthAuthenticator: Authenticator } = await import('../../authentication/mauth-authenticator.js');
  return new Authenticator(configuration);
}

async function started(
  port: number,
  options: SigningProxyOptions,
): Promise<{ proxy: SigningProxy; url: string }> {
  try {
    const proxy = new SigningProxy(options);
    const { url } = await proxy.listen(port);
    return { proxy, url };
  } catch (error) {
    if (error instanceof MAuthConfigurationError) throw wrongUsage(error.message);
    const { code, syscall } = error as NodeJS.ErrnoException;
    if (code === undefined) throw error;
    throw new CommandFailure(
      EXIT.usage,
      syscall === 'listen'
        ? `Port ${port} cannot be used (${code}); set --port to another one.`
        : `--record names a file that cannot be written (${code}): ${options.record}.`,
    );
  }
}

const UNITS: Readonly<Record<string, number>> = { '': 1, kib: 1024, mib: 1024 ** 2, gib: 1024 ** 3 };

/** The longest body that is held; a signature covers the whole of it. */
const MOST_BYTES = 2 * 1024 ** 3;

function bytesOf(text: string): number {
  const [, digits, unit = ''] = /^(\d{1,10})(kib|mib|gib)?$/i.exec(text) ?? [];
  const bytes = Number(digits) * (UNITS[unit.toLowerCase()] ?? NaN);
  if (bytes <= MOST_BYTES) return bytes;
  throw wrongUsage('--max-body takes bytes such as 1048576, 512KiB or 64MiB, at most 2GiB.');
}
