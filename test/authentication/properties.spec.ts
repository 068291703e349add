import fc from 'fast-check';
import { MAuthSigner, type MAuthResult, type MAuthRequestToAuthenticate } from '../../lib/core.js';
import { normalizedPath, parametersOf } from '../protocol/reference.js';
import { alice, bob, createWorld, NOW, signedHeaders, type Version } from './signed-by-hand.js';

const RUNS = Number(process.env.MAUTH_FUZZ_RUNS ?? (process.env.CI === 'true' ? 10_000 : 500));
const TIMEOUT = 60_000 + RUNS * 30;

interface Message {
  readonly method: string;
  /** One character per byte. */
  readonly url: string;
  readonly body: Buffer;
  readonly headers: Record<string, string>;
}

/** What a version of the protocol says is the same request. */
function meaning(
  version: Version,
  { method, url, body }: Omit<Message, 'headers'>,
  appUuid: string,
  time: string,
): string {
  const mark = url.indexOf('?');
  const path = mark < 0 ? url : url.slice(0, mark);
  const query = mark < 0 ? '' : url.slice(mark + 1);
  const covered = version === 1 ? [path] : [normalizedPath(path), ...parametersOf(query)];
  return JSON.stringify([version, method, body.toString('hex'), appUuid, time, ...covered]);
}

const SHAPES: Omit<Message, 'headers'>[] = [
  { method: 'GET', url: '/', body: Buffer.alloc(0) },
  { method: 'GET', url: '/studies?page=1&page=2&sort=%2Fname', body: Buffer.alloc(0) },
  { method: 'POST', url: '/studies/%7eme//x/../y?a=1&&b=%zz&', body: Buffer.from('{"a":1}') },
  { method: 'PUT', url: '/caf\u00c3\u00a9?q=\u00c3\u00a9+x', body: Buffer.from([0, 10, 13, 255, 10]) },
  { method: 'DELETE', url: '/a/./b?x', body: Buffer.from('line\nline\n') },
];
const signed = new Set<string>();
const messages: Message[] = [];

beforeAll(async () => {
  for (const app of [alice, bob]) {
    const signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey });
    for (const shape of SHAPES) {
      for (const time of [NOW, NOW - 299]) {
        for (const versions of [[1], [2], [1, 2]] as const) {
          const headers = await signer.signRequest(
            { ...shape, url: Buffer.from(shape.url, 'latin1') },
            { time, signVersions: versions.map((version) => `v${version}`).join(',') },
          );
          messages.push({ ...shape, headers });
          for (const version of versions) signed.add(meaning(version, shape, app.appUuid, String(time)));
        }
      }
    }
  }
});

const { authenticator, log } = createWorld();

/** The claims of the message, read without any care: enough to look up what a result is about. */
function wasSigned(
  { headers, ...message }: Message,
  result: Extract<MAuthResult, { authentic: true }>,
): boolean {
  const [prefix, timeName] = result.protocolVersion === 1 ? ['x-mws-', 'x-mws-time'] : ['mcc-', 'mcc-time'];
  const value = (name: string) =>
    Object.entries(headers).find(([header]) => header.toLowerCase() === name)?.[1] ?? '';
  const appUuid = value(`${prefix}authentication`).split(/[ :]/)[1] ?? '';
  if (appUuid.toLowerCase() !== result.appUuid) return false;
  return signed.has(meaning(result.protocolVersion, message, appUuid, value(timeName)));
}

async function check(message: Message): Promise<MAuthResult> {
  log.lines.length = 0;
  const result = await authenticator.authenticateRequest(message);
  expect(log.lines.length).toBeGreaterThan(0);
  for (const line of log.lines) expect(line).toMatch(/^[\x20-\x7e\u2026]*$/);
  if (result.authentic) expect([message, wasSigned(message, result)]).toEqual([message, true]);
  else expect([401, 503]).toContain(result.status);
  return result;
}

/** One edit of a text of bytes. */
const edit = fc.record({
  kind: fc.constantFrom('replace', 'insert', 'delete', 'repeat', 'cut', 'change case'),
  at: fc.nat(),
  byte: fc.oneof(
    fc.constantFrom(...' /?&=%+.;:,\n\r\0\t'),
    fc.nat(255).map((code) => String.fromCharCode(code)),
  ),
});
type Edit = typeof edit extends fc.Arbitrary<infer T> ? T : never;

function edited(text: string, { kind, at, byte }: Edit): string {
  const index = text.length === 0 ? 0 : at % text.length;
  const [before, here, after] = [text.slice(0, index), text.slice(index, index + 1), text.slice(index + 1)];
  switch (kind) {
    case 'replace':
      return before + byte + after;
    case 'insert':
      return before + byte + here + after;
    case 'delete':
      return before + after;
    case 'repeat':
      return before + here + here + after;
    case 'cut':
      return before;
    default:
      return before + (here === here.toUpperCase() ? here.toLowerCase() : here.toUpperCase()) + after;
  }
}

const aMessage = fc.nat().map((index) => messages[index % messages.length]);
const aPart = fc.constantFrom('method', 'url', 'body', 'headers' as const);

function withEdit(message: Message, part: string, change: Edit): Message {
  if (part === 'method') return { ...message, method: edited(message.method, change) };
  if (part === 'url') return { ...message, url: edited(message.url, change) };
  if (part === 'body') {
    return { ...message, body: Buffer.from(edited(message.body.toString('latin1'), change), 'latin1') };
  }
  const names = Object.keys(message.headers);
  const name = names[change.at % names.length];
  return {
    ...message,
    headers: { ...message.headers, [name]: edited(message.headers[name], change) },
  };
}

/** Values that headers of MAuth could have in the worst of worlds. */
const aValue = fc
  .oneof(
    aMessage.map(({ headers }) => headers),
    fc.constant({}),
  )
  .chain((headers) =>
    fc.oneof(
      fc.constantFrom(...Object.values(headers), '', 'MWS ', 'MWSV2 ;', String(NOW)),
      fc.string({ unit: 'binary' }),
      fc.array(fc.constantFrom(...Object.values(headers), ''), { maxLength: 3 }),
      fc.anything(),
    ),
  );
const aName = fc
  .constantFrom(
    'X-MWS-Authentication',
    'X-MWS-Time',
    'MCC-Authentication',
    'MCC-Time',
    'Content-Length',
    'Host',
  )
  .chain((name) => fc.constantFrom(name, name.toLowerCase(), name.toUpperCase(), `${name} `));

describe(`The authenticator, over ${RUNS} runs each,`, () => {
  it(
    'accepts each message as it was signed',
    async () => {
      for (const message of messages) expect(await check(message)).toMatchObject({ authentic: true });
      expect(messages).toHaveLength(60);
    },
    TIMEOUT,
  );

  it(
    'accepts no message that was edited so that it means something else',
    async () => {
      const outcomes = { accepted: 0, refused: 0 };
      await fc.assert(
        fc.asyncProperty(
          aMessage,
          fc.array(fc.tuple(aPart, edit), { minLength: 1, maxLength: 3 }),
          async (message, edits) => {
            const changed = edits.reduce(
              (current, [part, change]) => withEdit(current, part, change),
              message,
            );
            outcomes[(await check(changed)).authentic ? 'accepted' : 'refused']++;
          },
        ),
        { numRuns: RUNS, endOnFailure: RUNS < 1_000 },
      );
      // Some edits change nothing (order, empty pieces, the query of V1): without them the test would prove little.
      expect(outcomes.accepted).toBeGreaterThan(0);
      expect(outcomes.refused).toBeGreaterThan(RUNS / 2);
    },
    TIMEOUT,
  );

  it(
    'accepts no message put together from the parts of two',
    async () => {
      const some = (one: Message, other: Message, choices: boolean[]): Message => {
        const pick = (index: number) => (choices[index] ? one : other);
        const names = ['X-MWS-Authentication', 'X-MWS-Time', 'MCC-Authentication', 'MCC-Time'];
        const headers = names.map((name, index) => [name, pick(3 + index).headers[name]] as const);
        return {
          method: pick(0).method,
          url: pick(1).url,
          body: pick(2).body,
          headers: Object.fromEntries(headers.filter(([, value]) => value !== undefined)),
        };
      };
      const choices = fc.array(fc.boolean(), { minLength: 7, maxLength: 7 });
      await fc.assert(
        fc.asyncProperty(aMessage, aMessage, choices, async (one, other, which) => {
          await check(some(one, other, which));
        }),
        { numRuns: RUNS, endOnFailure: RUNS < 1_000 },
      );
    },
    TIMEOUT,
  );

  it(
    'never throws, whatever the headers hold',
    async () => {
      const fields = fc.array(fc.tuple(aName, aValue), { maxLength: 6 });
      await fc.assert(
        fc.asyncProperty(aMessage, fields, fc.boolean(), async (message, pairs, asRecord) => {
          const headers = (asRecord ? Object.fromEntries(pairs) : pairs) as never;
          const result = await authenticator.authenticateRequest({ ...message, headers });
          expect(typeof result.authentic).toBe('boolean');
          if (!result.authentic) expect([401, 503]).toContain(result.status);
        }),
        { numRuns: RUNS, endOnFailure: RUNS < 1_000 },
      );
    },
    TIMEOUT,
  );

  it(
    'never throws and accepts nothing, whatever it is given',
    async () => {
      const anything = fc.record({
        method: fc.oneof(fc.constant('GET'), fc.anything()),
        url: fc.oneof(fc.constant('/'), fc.anything()),
        headers: fc.oneof(fc.constant(signedHeaders(2, alice)), fc.anything()),
        body: fc.oneof(fc.constant(null), fc.anything()),
        status: fc.oneof(fc.constant(200), fc.anything()),
      });
      await fc.assert(
        fc.asyncProperty(anything, async (whatever) => {
          const request = whatever as unknown as MAuthRequestToAuthenticate & { status: number };
          expect((await authenticator.authenticateRequest(request)).authentic).toBe(false);
          expect((await authenticator.authenticateResponse(request)).authentic).toBe(false);
        }),
        { numRuns: RUNS, endOnFailure: RUNS < 1_000 },
      );
    },
    TIMEOUT,
  );
});

describe(`The signer, over ${Math.ceil(RUNS / 10)} runs,`, () => {
  it(
    'makes of any message that it signs one that is accepted, and refused with another last byte of body',
    async () => {
      const signer = new MAuthSigner({
        appUuid: alice.appUuid,
        privateKey: alice.privateKey,
        now: () => NOW * 1000,
      });
      const bytes = fc.uint8Array({ maxLength: 40 });
      const printable = bytes.map((some) => some.map((byte) => (byte < 0x20 || byte === 0x7f ? 0x2f : byte)));
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom('GET', 'POST', 'M-SEARCH'),
          printable,
          bytes,
          fc.constantFrom('v1', 'v2', 'v1,v2'),
          async (method, rest, body, signVersions) => {
            const url = Buffer.concat([Buffer.from('/'), rest]);
            const headers = await signer.signRequest({ method, url, body }, { signVersions });
            const request = { method, url: url.toString('latin1'), headers, body };
            expect(await authenticator.authenticateRequest(request)).toMatchObject({ authentic: true });
            const other = Buffer.concat([body, Buffer.of(0)]);
            expect(await authenticator.authenticateRequest({ ...request, body: other })).toMatchObject({
              authentic: false,
            });
          },
        ),
        { numRuns: Math.ceil(RUNS / 10) },
      );
    },
    TIMEOUT,
  );
});
