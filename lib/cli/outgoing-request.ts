import { readFileSync } from 'node:fs';
import { buffer } from 'node:stream/consumers';
import { METHODS } from 'node:http';
import { wrongUsage } from './exit-codes.js';

/** A request that the user asks for. */
export interface OutgoingRequest {
  readonly method: string;
  /** As typed, without fragment. */
  readonly url: URL;
  /** Path and query as typed: what is signed and sent. */
  readonly target: string;
  /** In the order given; a name may come more than once. */
  readonly headers: readonly (readonly [name: string, value: string])[];
  readonly body: Buffer;
}

export interface RequestFlags {
  readonly data?: string;
  readonly contentType?: string;
  readonly header?: readonly string[];
}

const KNOWN_METHODS = new Set(METHODS);

/** Whether a word is the URL of a request. */
export function isUrl(word: string): boolean {
  return /^https?:\/\//i.test(word);
}

/** Whether a word is a method, in either case. */
export function isMethod(word: string): boolean {
  return KNOWN_METHODS.has(word.toUpperCase());
}

/**
 * Reads `[METHOD] URL [BODY]` and the flags that go with it.
 *
 * @throws CommandFailure with the remedy
 */
export async function readRequest(words: readonly string[], flags: RequestFlags): Promise<OutgoingRequest> {
  const [first = '', ...others] = words;
  const [method, url = '', inline, ...tooMany] = isUrl(first)
    ? [undefined, first, ...others]
    : [first, ...others];
  if (method !== undefined && !isMethod(method)) {
    throw wrongUsage(
      `${JSON.stringify(method)} is neither a command, a method nor a URL; see "mauth --help".`,
    );
  }
  if (tooMany.length > 0) throw wrongUsage(`Too many words: ${JSON.stringify(tooMany[0])}; quote the body.`);
  if (inline !== undefined && flags.data !== undefined) {
    throw wrongUsage('The body is given twice, as a word and with --data; keep one of them.');
  }
  const body = flags.data === undefined ? Buffer.from(inline ?? '') : await dataOf(flags.data);
  const hasBody = inline !== undefined || flags.data !== undefined;
  return {
    method: (method ?? (hasBody ? 'POST' : 'GET')).toUpperCase(),
    ...addressOf(url),
    headers: headersOf(flags, hasBody),
    body,
  };
}

/** What `-d` names: `@file`, `@-` for stdin, or the text itself. */
async function dataOf(data: string): Promise<Buffer> {
  if (!data.startsWith('@')) return Buffer.from(data);
  return readInput(data.slice(1), '--data');
}

/** The bytes of a file, or of stdin for `-`. */
export async function readInput(path: string, flag: string): Promise<Buffer> {
  if (path === '-') return buffer(process.stdin);
  try {
    return readFileSync(path);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw wrongUsage(`${flag} names a file that cannot be read (${code}): ${JSON.stringify(path)}.`);
  }
}

/** Scheme, authority, and what goes into the request line, as typed. */
const URL_PARTS = /^https?:\/\/[^/?#\\]+([^#]*)/i;

function addressOf(text: string): Pick<OutgoingRequest, 'url' | 'target'> {
  const [, rest] = URL_PARTS.exec(text) ?? [];
  if (rest === undefined || !URL.canParse(text)) {
    throw wrongUsage(`${JSON.stringify(text)} is not a URL such as https://api.example.com/studies.`);
  }
  const url = new URL(text);
  if (url.username || url.password) {
    throw wrongUsage('The URL holds a user name or password; send it with --header "Authorization: …".');
  }
  // Anything else would be sent in another spelling than the one that was signed.
  if (!/^[\x21-\x7e]*$/.test(rest)) {
    throw wrongUsage('The URL holds characters that cannot be sent as they are; percent-encode them.');
  }
  return { url, target: rest.startsWith('/') ? rest : `/${rest}` };
}

function headersOf({ header = [], contentType }: RequestFlags, hasBody: boolean): [string, string][] {
  const headers = header.map(headerOf);
  const names = new Set(headers.map(([name]) => name.toLowerCase()));
  if (contentType !== undefined) return [['Content-Type', contentType], ...headers];
  return hasBody && !names.has('content-type') ? [['Content-Type', 'application/json'], ...headers] : headers;
}

/** @throws CommandFailure unless it is `Name: value` */
export function headerOf(line: string): [name: string, value: string] {
  const [, name, value] =
    /^([!#$%&'*+\-.^_`|~0-9A-Za-z]+)[ \t]*:[ \t]*([\x20-\x7e\x80-\uffff\t]*)$/.exec(line) ?? [];
  if (name === undefined || value === undefined) {
    throw wrongUsage('--header takes a line such as "Accept: application/json".');
  }
  return [name, value.trim()];
}
