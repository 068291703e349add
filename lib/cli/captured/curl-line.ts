import { readFileSync } from 'node:fs';
import { isUrl } from '../outgoing-request.js';
import { targetOf, unreadable, type CapturedRequest } from './captured-request.js';

/** Flags of curl that change what is sent; of others only whether a value follows matters. */
const METHOD = new Set(['-X', '--request']);
const HEADER = new Set(['-H', '--header']);
const USER_AGENT = new Set(['-A', '--user-agent']);
const DATA = new Set(['-d', '--data', '--data-ascii', '--data-binary', '--data-raw', '--json']);
const URL_FLAG = new Set(['--url']);
const HEAD = new Set(['-I', '--head']);
const WITHOUT_VALUE =
  /^(-[fgiIkLNsSvO#0]+|--(compressed|fail|globoff|head|http1\.[01]|http2|include|insecure|location|no-buffer|path-as-is|show-error|silent|verbose|remote-name))$/;

/**
 * Reads a command line of curl, as browsers copy it and `mauth sign --curl` prints it.
 *
 * @throws CommandFailure where it cannot be read, or holds what cannot be told from the line alone
 */
export function readCurlLine(line: string): CapturedRequest {
  const words = shellWords(line);
  if (words[0] !== 'curl') throw unreadable('The curl line', 'it does not begin with "curl"');
  const headers: [string, string][] = [];
  const data: Buffer[] = [];
  let method: string | undefined;
  let url: string | undefined;
  for (let at = 1; at < words.length; at++) {
    const [flag, inline] = flagOf(words[at]);
    if (flag === undefined) {
      url = words[at];
      continue;
    }
    if (HEAD.has(flag)) method ??= 'HEAD';
    if (WITHOUT_VALUE.test(flag)) continue;
    const value = inline ?? words[++at];
    if (value === undefined) throw unreadable('The curl line', `${flag} has no value`);
    if (METHOD.has(flag)) method = value;
    else if (HEADER.has(flag)) headers.push(headerIn(value));
    else if (USER_AGENT.has(flag)) headers.push(['User-Agent', value]);
    else if (URL_FLAG.has(flag)) url = value;
    else if (DATA.has(flag)) data.push(dataIn(flag, value));
    else if (/^(-F|--form|-T|--upload-file|-G|--get|--data-urlencode|--url-query)/.test(flag)) {
      throw unreadable('The curl line', `what ${flag} sends cannot be told; record the request with a proxy`);
    }
  }
  if (url === undefined) throw unreadable('The curl line', 'it has no URL');
  return {
    method: method ?? (data.length > 0 ? 'POST' : 'GET'),
    url: targetOf(isUrl(url) ? url : `http://${url}`),
    headers,
    body: Buffer.concat(data.flatMap((part, at) => (at === 0 ? [part] : [Buffer.from('&'), part]))),
  };
}

/** A flag, and its value where that is in the same word. */
function flagOf(word: string): [flag?: string, value?: string] {
  const [, long, longValue] = /^(--[a-z0-9.-]+)(?:=([^]*))?$/.exec(word) ?? [];
  if (long) return [long, longValue];
  if (!/^-./.test(word)) return [];
  if (WITHOUT_VALUE.test(word)) return [word];
  return [word.slice(0, 2), word.length > 2 ? word.slice(2) : undefined];
}

function headerIn(line: string): [string, string] {
  const colon = line.indexOf(':');
  return colon < 0
    ? [line.replace(/;$/, ''), '']
    : [line.slice(0, colon).trim(), line.slice(colon + 1).trim()];
}

function dataIn(flag: string, value: string): Buffer {
  if (!value.startsWith('@') || flag === '--data-raw') return Buffer.from(value);
  let bytes: Buffer;
  try {
    bytes = readFileSync(value.slice(1));
  } catch {
    throw unreadable(
      'The curl line',
      `${flag} names a file that cannot be read: ${JSON.stringify(value.slice(1))}`,
    );
  }
  // curl takes line ends out of what it reads for these.
  const keepsAll = flag === '--data-binary' || flag === '--json';
  return keepsAll ? bytes : Buffer.from(bytes.toString('latin1').replace(/[\r\n]/g, ''), 'latin1');
}

const ESCAPES: Readonly<Record<string, string>> = {
  n: '\n',
  r: '\r',
  t: '\t',
  '\\': '\\',
  "'": "'",
  '"': '"',
  '!': '!',
};

/** Takes a line apart as a POSIX shell does, with `$'…'` as browsers write it; nothing is expanded. */
function shellWords(line: string): string[] {
  const words: string[] = [];
  let word: string | undefined;
  const text = line.trim();
  for (let at = 0; at < text.length; at++) {
    const character = text[at];
    if (/\s/.test(character)) {
      if (word !== undefined) words.push(word);
      word = undefined;
    } else if (character === "'" || text.startsWith("$'", at)) {
      const isAnsi = character === '$';
      const end = closing(text, at + (isAnsi ? 2 : 1), "'", isAnsi);
      const quoted = text.slice(at + (isAnsi ? 2 : 1), end);
      word = (word ?? '') + (isAnsi ? unescaped(quoted) : quoted);
      at = end;
    } else if (character === '"') {
      const end = closing(text, at + 1, '"', true);
      word =
        (word ?? '') +
        text.slice(at + 1, end).replace(/\\([$`"\\\n])/g, (_, one: string) => (one === '\n' ? '' : one));
      at = end;
    } else if (character === '\\') {
      const next = text[++at] ?? '';
      if (!/[\r\n]/.test(next)) word = (word ?? '') + next;
    } else word = (word ?? '') + character;
  }
  if (word !== undefined) words.push(word);
  return words;
}

function closing(text: string, from: number, quote: string, escapes: boolean): number {
  for (let at = from; at < text.length; at++) {
    if (escapes && text[at] === '\\') at++;
    else if (text[at] === quote) return at;
  }
  throw unreadable('The curl line', `a ${quote} is not closed`);
}

function unescaped(text: string): string {
  return text.replace(
    /\\(?:u([0-9a-fA-F]{1,4})|x([0-9a-fA-F]{1,2})|([^]))/g,
    (all, unicode?: string, hex?: string, one?: string) => {
      if (unicode ?? hex) return String.fromCharCode(parseInt(unicode ?? hex ?? '', 16));
      return ESCAPES[one ?? ''] ?? all;
    },
  );
}
