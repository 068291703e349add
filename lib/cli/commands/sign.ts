import { readConfiguration, type CommonFlags } from '../configuration.js';
import { EXIT, wrongUsage } from '../exit-codes.js';
import { readRequest, type OutgoingRequest, type RequestFlags } from '../outgoing-request.js';
import { signerFor } from '../signer.js';
import { type Terminal } from '../terminal.js';

export interface SignFlags extends CommonFlags, RequestFlags {
  readonly curl?: boolean;
  readonly json?: boolean;
}

/** `mauth sign`: prints the headers of a request, or a command line of curl that sends it. */
export async function sign(words: readonly string[], flags: SignFlags, terminal: Terminal): Promise<number> {
  if (flags.curl && flags.json) throw wrongUsage('Either --curl or --json.');
  const request = await readRequest(words, flags);
  const signer = signerFor(await readConfiguration(flags, ['appUuid', 'privateKey']));
  const { method, target: url, body } = request;
  const headers = await signer.signRequest({ method, url, body });
  if (flags.curl) terminal.print(curlLine(request, Object.entries(headers), flags.data));
  else if (flags.json) terminal.print(JSON.stringify(headers, undefined, 2));
  else for (const [name, value] of Object.entries(headers)) terminal.print(`${name}: ${value}`);
  return EXIT.done;
}

function curlLine(
  { method, url, target, headers, body }: OutgoingRequest,
  signature: readonly (readonly [string, string])[],
  data: string | undefined,
): string {
  const fields = [...headers, ...signature].flatMap(([name, value]) => ['-H', quoted(`${name}: ${value}`)]);
  const words = ['curl', '--path-as-is', '-g', '-X', method, ...fields];
  if (data === '@-') throw wrongUsage('--curl cannot name what came from stdin; put it into a file.');
  if (body.length > 0) words.push(...bodyWords(body, data));
  return [...words, quoted(url.origin + target)].join(' ');
}

function bodyWords(body: Buffer, data: string | undefined): string[] {
  return data?.startsWith('@') ? ['--data-binary', quoted(data)] : ['--data-raw', quoted(body.toString())];
}

/** For a POSIX shell. */
function quoted(text: string): string {
  return /^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`;
}
