import { writeFileSync } from 'node:fs';
import { promisify } from 'node:util';
import * as zlib from 'node:zlib';
import { VERSION } from '../../config/version.js';
import { readConfiguration, type CommonFlags, type Configuration } from '../configuration.js';
import { exchange, type Answer } from '../exchange.js';
import { CommandFailure, EXIT, wrongConfiguration, wrongUsage } from '../exit-codes.js';
import { readRequest, type OutgoingRequest, type RequestFlags } from '../outgoing-request.js';
import { type Terminal } from '../terminal.js';
import { signerFor } from '../signer.js';

export interface RequestCommandFlags extends CommonFlags, RequestFlags {
  readonly verbose: boolean;
  readonly quiet?: boolean;
  readonly authenticate: boolean;
  readonly sslVerify: boolean;
  readonly timeout: string;
  readonly checkStatus?: boolean;
  readonly offline?: boolean;
  readonly output?: string;
}

/** `mauth request`: signs a request, sends it, and authenticates the answer. */
export async function request(
  words: readonly string[],
  flags: RequestCommandFlags,
  terminal: Terminal,
): Promise<number> {
  const asked = await readRequest(words, flags);
  const timeoutMs = secondsOf(flags.timeout) * 1000;
  const isAuthenticated = flags.authenticate && !flags.offline;
  const configuration = await readConfiguration(flags, ['appUuid', 'privateKey']);
  if (isAuthenticated && configuration.mauthUrl === undefined) {
    throw wrongConfiguration(
      'The answer cannot be authenticated without a MAuth service: set --mauth-url, MAUTH_URL, or mauth_baseurl in ' +
        'mauth.yml; or set --no-authenticate.',
    );
  }
  const signer = signerFor(configuration);
  const signature = await signer.signRequest({ method: asked.method, url: asked.target, body: asked.body });
  const signed = withStandardHeaders(asked, Object.entries(signature));
  if (flags.offline) {
    await terminal.write(wireForm(signed));
    return EXIT.done;
  }
  const isVerbose = flags.verbose && !flags.quiet;
  if (isVerbose) showRequest(signed, terminal);
  const answer = await exchange(signed, { timeoutMs, verifiesCertificate: flags.sslVerify });
  if (isVerbose) showAnswer(answer, terminal);
  const verdict = isAuthenticated ? await authenticate(asked.method, answer, configuration) : undefined;
  // A script that reads the body alone must not take one for true that is not.
  if (isVerbose || !verdict || verdict.exitCode === EXIT.done) await deliver(answer, flags.output, terminal);
  if (verdict && verdict.exitCode !== EXIT.done) throw new CommandFailure(verdict.exitCode, verdict.text);
  if (isVerbose && verdict) terminal.note(`* ${verdict.text}`, 'green');
  if (!flags.checkStatus || answer.status < 400) return EXIT.done;
  return answer.status < 500 ? EXIT.clientError : EXIT.serverError;
}

function secondsOf(text: string): number {
  const seconds = Number(text);
  if (/^\d+(\.\d+)?$/.test(text) && seconds > 0 && seconds <= 86_400) return seconds;
  throw wrongUsage('--timeout takes seconds, such as 30.');
}

/** What every request has, unless the user gave it. */
function withStandardHeaders(
  request: OutgoingRequest,
  signature: readonly (readonly [string, string])[],
): OutgoingRequest {
  const given = new Set(request.headers.map(([name]) => name.toLowerCase()));
  const length: [string, string][] =
    request.body.length > 0 || /^(POST|PUT|PATCH)$/.test(request.method)
      ? [['Content-Length', String(request.body.length)]]
      : [];
  const standard: [string, string][] = [
    ['Host', request.url.host],
    ['User-Agent', `nestjs-mauth/${VERSION}`],
    ['Accept', '*/*'],
    ...length,
  ];
  const headers = [
    ...standard.filter(([name]) => !given.has(name.toLowerCase())),
    ...request.headers,
    ...signature,
  ];
  return { ...request, headers };
}

function wireForm({ method, target, headers, body }: OutgoingRequest): Buffer {
  const lines = [`${method} ${target} HTTP/1.1`, ...headers.map(([name, value]) => `${name}: ${value}`)];
  return Buffer.concat([Buffer.from(`${lines.join('\r\n')}\r\n\r\n`, 'latin1'), body]);
}

function showRequest({ method, target, headers }: OutgoingRequest, terminal: Terminal): void {
  terminal.note(`> ${method} ${target} HTTP/1.1`, 'cyan');
  for (const [name, value] of headers) terminal.note(`> ${name}: ${shown(name, value)}`, 'cyan');
  terminal.note('>', 'cyan');
}

function showAnswer({ httpVersion, status, statusText, headers }: Answer, terminal: Terminal): void {
  const style = status < 400 ? 'green' : 'red';
  terminal.note(`< HTTP/${httpVersion} ${status} ${statusText}`.trimEnd(), style);
  for (const [name, value] of headers) terminal.note(`< ${name}: ${shown(name, value)}`, style);
  terminal.note('<', style);
}

const SECRET = /^(authorization|proxy-authorization|cookie|set-cookie)$/i;

/** Output of a terminal ends in tickets and chats: what opens doors is left out. */
function shown(name: string, value: string): string {
  if (SECRET.test(name)) return `(${value.length} characters)`;
  return /^(mcc|x-mws)-authentication$/i.test(name) ? value.replace(/:.*$/, ':…') : value;
}

interface Verdict {
  readonly exitCode: number;
  readonly text: string;
}

async function authenticate(
  method: string,
  { status, headers, body }: Answer,
  options: Configuration,
): Promise<Verdict> {
  const { MAuthAuthenticator } = await import('../../authentication/mauth-authenticator.js');
  const authenticator = new MAuthAuthenticator(options);
  const hasBody = method !== 'HEAD' && status !== 204 && status !== 304;
  const result = await authenticator.authenticateResponse({ status, headers, body: hasBody ? body : null });
  if (result.authentic) {
    return { exitCode: EXIT.done, text: `The answer is authentic: signed by ${result.appUuid}.` };
  }
  const { code } = result;
  if (result.status === 503) {
    return {
      exitCode: EXIT.undecided,
      text: `Whether the answer is authentic could not be decided (${code}); "mauth doctor" says more.`,
    };
  }
  const advice =
    code === 'missing_headers' || code === 'missing_v2'
      ? 'it is not signed; set --no-authenticate to take it all the same'
      : 'do not trust it; set --no-authenticate to look at it';
  return { exitCode: EXIT.inauthentic, text: `The answer is not authentic (${code}): ${advice}.` };
}

const DECODERS: Readonly<Record<string, (body: Buffer) => Promise<Buffer>>> = {
  gzip: promisify(zlib.gunzip),
  'x-gzip': promisify(zlib.gunzip),
  deflate: promisify(zlib.inflate),
  br: promisify(zlib.brotliDecompress),
};

async function deliver(
  { headers, body }: Answer,
  file: string | undefined,
  terminal: Terminal,
): Promise<void> {
  const decoded = await decode(headers, body);
  if (file === undefined) return terminal.write(decoded);
  try {
    writeFileSync(file, decoded);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw wrongUsage(`--output cannot be written (${code}): ${JSON.stringify(file)}.`);
  }
}

/** A body in an encoding that is not known, or that does not hold, is given as it came. */
async function decode(headers: Answer['headers'], body: Buffer): Promise<Buffer> {
  const encoding = headers.find(([name]) => name.toLowerCase() === 'content-encoding')?.[1].toLowerCase();
  const decoder =
    encoding !== undefined && Object.hasOwn(DECODERS, encoding) ? DECODERS[encoding] : undefined;
  return decoder && body.length > 0 ? decoder(body).catch(() => body) : body;
}
