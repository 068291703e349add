import { type IncomingMessage } from 'node:http';
import { type AddressInfo } from 'node:net';
import { parse as parseSimply } from 'node:querystring';
import express from 'express';
import fastify from 'fastify';
import { parse as parseFastify } from 'fast-querystring';
import fc from 'fast-check';
import { mauthMiddleware, mauthPlugin } from '../../lib/core.js';
import { isAmbiguousTarget } from '../../lib/authentication/path-policy.js';
import { canonicalQuery } from '../../lib/protocol/canonical-target.js';
import { dialectQueries } from '../../lib/protocol/query-dialects.js';
import { optionsFor, Witness } from '../support/inbound-app.js';
import { RawConnection } from '../support/raw-connection.js';
import { signatureOf } from '../support/signed-http.js';

/*
 * One signature, one reading: whatever a target can be changed into under its V2 signature, a handler gets the same
 * from it. Left aside is what SECURITY.md says of the protocol: order, pieces without name and value, slashes and dot
 * segments, and names and values that are no UTF-8.
 */

const RUNS = Number(process.env.MAUTH_FUZZ_RUNS ?? (process.env.CI === 'true' ? 10_000 : 1_000));
const TIMEOUT = 60_000 + RUNS * 30;

type Pairs = (readonly [name: string, value: string])[];
type Pick = (choices: number) => number;

/** Stands for a byte that is no UTF-8. */
const NO_UTF8 = '\ue000';
const NO_UTF8_BYTES = Buffer.from(NO_UTF8).toString('latin1');

const aText = fc
  .array(
    fc.oneof(
      fc.constantFrom(...'abf41[]=&%#+ ?/;.\\\'"{}|^,:@!~-\0\n'),
      fc.constantFrom('%41', '%zz', ']=', '\u00e9', '\u00a0', '\u65e5', '\u{1f600}', '__proto__', NO_UTF8),
    ),
    { maxLength: 5 },
  )
  .map((parts) => Buffer.from(parts.join('')).toString('latin1').replaceAll(NO_UTF8_BYTES, '\xff'));
const somePairs = fc.array(fc.tuple(aText, aText), { minLength: 1, maxLength: 4 });
const choices = fc.infiniteStream(fc.nat(999_999)).map(
  (stream): Pick =>
    (count) =>
      (stream.next().value as number) % count,
);

/** One of the ways to spell the byte in a name or value. `escapes` = with how many chances of four where it need not. */
function spelledByte(byte: string, isName: boolean, pick: Pick, escapes: number): string {
  const code = byte.charCodeAt(0);
  if (byte === ' ' && pick(2) === 0) return '+';
  const mustBeEscaped = code <= 0x20 || code >= 0x7f || '&+'.includes(byte) || (isName && byte === '=');
  if (!mustBeEscaped && pick(4) >= escapes) return byte;
  const hex = code.toString(16).padStart(2, '0');
  return `%${pick(2) === 0 ? hex : hex.toUpperCase()}`;
}

/** One of the queries that mean these pairs to V2; not raw beyond ASCII, which HTTP/1 does not let through. */
function spelled(pairs: Pairs, pick: Pick): string {
  const escapes = 1 + pick(4);
  const spell = (text: string, isName: boolean) =>
    [...text].map((byte) => spelledByte(byte, isName, pick, escapes)).join('');
  const pieces = pairs.map(([name, value]) =>
    name !== '' && value === '' && pick(2) === 0
      ? spell(name, true)
      : `${spell(name, true)}=${spell(value, false)}`,
  );
  if (pick(3) === 0)
    pieces.splice(pick(pieces.length + 1), 0, ...Array<string>(pick(20) === 0 ? 1000 : 1).fill(''));
  if (pick(3) === 0) pieces.push('');
  return pieces.join('&');
}

/** Whether a signature over the one holds for the other. */
function shareASignature(one: string, other: string): boolean {
  return [canonicalQuery(other), ...dialectQueries(other, canonicalQuery(other))].includes(
    canonicalQuery(one),
  );
}

/** Without what the protocol does not keep: order, and pairs of nothing. */
function unordered(view: unknown): unknown {
  const byText = (a: unknown, b: unknown) => (JSON.stringify(a) < JSON.stringify(b) ? -1 : 1);
  if (Array.isArray(view)) return view.map(unordered).sort(byText);
  if (typeof view !== 'object' || view === null) return view;
  const isNothing = ([name, value]: [string, unknown]) =>
    name === '' && [value].flat().every((text) => text === '');
  return Object.entries(view)
    .filter((entry) => !isNothing(entry))
    .map(([name, value]) => [name, unordered(value)])
    .sort(byText);
}

const pairsOf = (parameters: URLSearchParams) => [...parameters].filter(([name, value]) => name || value);
const parseExtended = express().set('query parser', 'extended').get('query parser fn') as (
  query: string,
) => unknown;

const PARSERS: Record<string, (query: string) => unknown> = {
  'the simple parser of Express': (query) => ({ ...parseSimply(query) }),
  'the extended parser of Express (qs)': parseExtended,
  'the parser of Fastify': (query) => ({ ...parseFastify(query) }),
  URLSearchParams: (query) => pairsOf(new URLSearchParams(query)),
  URL: (query) => pairsOf(new URL(`/?${query}`, 'http://host').searchParams),
};

describe(`Over ${RUNS} runs each, of two targets with one signature`, () => {
  it.each(Object.entries(PARSERS))(
    '%s makes the same, or the strict policy refuses one of them',
    (_, parse) => {
      const outcomes = { equal: 0, refused: 0 };
      fc.assert(
        fc.property(somePairs, choices, choices, (pairs, onePick, otherPick) => {
          const [one, other] = [spelled(pairs, onePick), spelled(pairs, otherPick)];
          fc.pre(one !== other && shareASignature(one, other));
          if ([one, other].some((query) => isAmbiguousTarget(`/?${query}`))) {
            outcomes.refused++;
            return;
          }
          outcomes.equal++;
          expect([one, other, unordered(parse(other))]).toEqual([one, other, unordered(parse(one))]);
        }),
        { numRuns: RUNS },
      );
      // Neither of them a rare case: otherwise this would prove little.
      expect(outcomes.equal).toBeGreaterThan(RUNS / 10);
      expect(outcomes.refused).toBeGreaterThan(RUNS / 10);
    },
    TIMEOUT,
  );
});

/** What a handler can get at. */
function readingOf(request: { query: unknown; params: unknown }, { url = '' }: IncomingMessage): unknown {
  const { searchParams } = new URL(url, 'http://host');
  return { query: request.query, params: request.params, parameters: pairsOf(searchParams) };
}

type Start = () => Promise<{ port: number; close: () => unknown }>;

function onExpress(queryParser: 'simple' | 'extended'): Start {
  return async () => {
    const middleware = mauthMiddleware(optionsFor(new Witness()));
    const app = express().set('query parser', queryParser).use(middleware);
    app.get('/studies/:name', (request, response) => void response.json(readingOf(request, request)));
    const server = app.listen(0, '127.0.0.1');
    await new Promise((resolve) => server.once('listening', resolve));
    const close = () => (middleware.close(), server.closeAllConnections(), server.close());
    return { port: (server.address() as AddressInfo).port, close };
  };
}

async function onFastify() {
  const app = fastify({ forceCloseConnections: true, routerOptions: { ignoreDuplicateSlashes: true } });
  await app.register(mauthPlugin, optionsFor(new Witness()));
  app.get('/studies/:name', async (request) => readingOf(request, request.raw));
  await app.listen({ port: 0, host: '127.0.0.1' });
  return { port: (app.server.address() as AddressInfo).port, close: () => app.close() };
}

describe.each<[string, Start]>([
  ['Express with its simple parser', onExpress('simple')],
  ['Express with its extended parser', onExpress('extended')],
  ['Fastify', onFastify],
])('A handler on %s', (_, start) => {
  let server: Awaited<ReturnType<Start>>;
  let connection: RawConnection;

  beforeAll(async () => {
    server = await start();
    connection = await RawConnection.open(server.port);
  });
  afterAll(async () => {
    connection.destroy();
    await server.close();
  });

  /** The handler's reading; undefined when the request was refused. */
  async function sent(target: string, headers: Record<string, string>): Promise<string | undefined> {
    await connection.writeHead(`GET ${target}`, headers);
    const answer = await connection.answer();
    expect([200, 400, 401, 404]).toContain(answer?.status);
    return answer?.status === 200 ? JSON.stringify(unordered(JSON.parse(answer.text))) : undefined;
  }

  it(
    `gets the same from all targets with one signature (${RUNS / 10} runs)`,
    async () => {
      const outcomes = { equal: 0, refused: 0 };
      const aPath = (pick: Pick) =>
        [...'/studies/']
          .map((character) => (character === '/' ? (['//', '/./'][pick(16)] ?? '/') : character))
          .join('') +
        ['caf', '%C3%A9', '%25', '%3F', '%23', 'x']
          .map((part) => (pick(2) ? part : part.toLowerCase()))
          .join('');
      await fc.assert(
        fc.asyncProperty(somePairs, choices, choices, async (pairs, onePick, otherPick) => {
          const one = `/studies/caf%C3%A9%25%3F%23x?${spelled(pairs, onePick)}`;
          const other = `${aPath(otherPick)}?${spelled(pairs, otherPick)}`;
          const headers = await signatureOf({ method: 'GET', path: one });
          const [expected, found] = [await sent(one, headers), await sent(other, headers)];
          if (expected === undefined || found === undefined) outcomes.refused++;
          else {
            outcomes.equal++;
            expect([one, other, found]).toEqual([one, other, expected]);
          }
        }),
        { numRuns: RUNS / 10 },
      );
      expect(outcomes.equal).toBeGreaterThan(RUNS / 200);
      expect(outcomes.refused).toBeGreaterThan(0);
    },
    TIMEOUT,
  );
});

it('A router that squeezes slashes, in queries too, gets no query in which it would', async () => {
  const { port, close } = await onFastify();
  const connection = await RawConnection.open(port);
  const headers = await signatureOf({ method: 'GET', path: '/studies/x?u=%2F%2Fa' });
  const statuses: unknown[] = [];
  for (const target of ['/studies/x?u=%2F%2Fa', '/studies/x?u=//a', '/studies//x?u=%2F%2Fa']) {
    await connection.writeHead(`GET ${target}`, headers);
    statuses.push((await connection.answer())?.status);
  }
  expect(statuses).toEqual([200, 401, 200]);
  connection.destroy();
  await close();
});
