import { freshnessSeconds, SecurityTokenClient } from '../../lib/service/security-token-client.js';
import { lifetimeOf } from '../../lib/keys/key-memory.js';
import { settingsOf } from '../support/key-settings.js';
import { MAuthServiceStandIn, securityToken } from '../support/mauth-service.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();
const inOneHour = () => new Date(Date.now() + 3_600_000).toUTCString();
const anHourAgo = () => new Date(Date.now() - 3_600_000).toUTCString();

/** Header lines as they come over the wire, and for how many seconds a key with them is kept. */
const CASES: readonly [description: string, lines: () => readonly [string, string][], seconds: number][] = [
  ['nothing', () => [], 300],
  ['max-age=900', () => [['Cache-Control', 'max-age=900']], 900],
  ['max-age=900, private', () => [['Cache-Control', 'max-age=900, private']], 900],
  ['private,max-age=900 without a space', () => [['Cache-Control', 'private,max-age=900']], 900],
  ['MAX-AGE=900 in capitals', () => [['Cache-Control', 'MAX-AGE=900']], 900],
  ['a quoted max-age', () => [['Cache-Control', 'max-age="900"']], 900],
  ['max-age=0', () => [['Cache-Control', 'max-age=0']], 300],
  ['max-age=1, below the floor', () => [['Cache-Control', 'max-age=1']], 300],
  ['max-age=-1', () => [['Cache-Control', 'max-age=-1']], 300],
  ['max-age without a value', () => [['Cache-Control', 'max-age']], 300],
  ['an empty max-age', () => [['Cache-Control', 'max-age=']], 300],
  ['max-age=NaN', () => [['Cache-Control', 'max-age=NaN']], 300],
  ['max-age=Infinity', () => [['Cache-Control', 'max-age=Infinity']], 300],
  ['max-age=1e12, which is no number of seconds', () => [['Cache-Control', 'max-age=1e12']], 300],
  ['max-age of a year', () => [['Cache-Control', 'max-age=31536000']], 3600],
  ['max-age beyond all integers', () => [['Cache-Control', `max-age=${'9'.repeat(400)}`]], 300],
  ['max-age of thirty digits', () => [['Cache-Control', `max-age=${'9'.repeat(30)}`]], 3600],
  ['max-age twice in one line', () => [['Cache-Control', 'max-age=900, max-age=3000']], 300],
  [
    'max-age twice in two lines',
    () => [
      ['Cache-Control', 'max-age=900'],
      ['Cache-Control', 'max-age=3000'],
    ],
    300,
  ],
  ['no-store', () => [['Cache-Control', 'no-store']], 300],
  ['no-store beside max-age', () => [['Cache-Control', 'no-store, max-age=900']], 300],
  ['no-cache beside max-age', () => [['Cache-Control', 'no-cache, max-age=900']], 300],
  ['s-maxage, which is for shared caches', () => [['Cache-Control', 's-maxage=3000']], 300],
  ['s-maxage beside max-age', () => [['Cache-Control', 's-maxage=3000, max-age=900']], 900],
  ['stale-if-error beside max-age', () => [['Cache-Control', 'max-age=900, stale-if-error=9999']], 900],
  ['immutable', () => [['Cache-Control', 'immutable']], 3600],
  [
    'Age, which has passed already',
    () => [
      ['Cache-Control', 'max-age=900'],
      ['Age', '100'],
    ],
    800,
  ],
  [
    'Age beyond max-age',
    () => [
      ['Cache-Control', 'max-age=900'],
      ['Age', '901'],
    ],
    300,
  ],
  [
    'a negative Age',
    () => [
      ['Cache-Control', 'max-age=900'],
      ['Age', '-1000'],
    ],
    900,
  ],
  [
    'an Age that is no number',
    () => [
      ['Cache-Control', 'max-age=900'],
      ['Age', 'old'],
    ],
    900,
  ],
  ['Expires in an hour', () => [['Expires', inOneHour()]], 3600],
  ['Expires an hour ago', () => [['Expires', anHourAgo()]], 300],
  ['Expires: 0', () => [['Expires', '0']], 300],
  [
    'Expires beside max-age',
    () => [
      ['Expires', inOneHour()],
      ['Cache-Control', 'max-age=900'],
    ],
    900,
  ],
  ['Cache-Control that is noise', () => [['Cache-Control', ',=,;;"max-age=900']], 300],
];

describe('how long a key is kept when its answer carries', () => {
  let service: MAuthServiceStandIn;
  let client: SecurityTokenClient;

  beforeAll(async () => {
    service = await MAuthServiceStandIn.start({ apps: [own] });
    const { settings, signer } = settingsOf(own, { mauthUrl: service.url });
    client = new SecurityTokenClient(settings, signer);
  });
  afterAll(async () => {
    client.close();
    await service.stop();
  });

  it.each(CASES)('%s', async (_description, lines, seconds) => {
    service.fail((_request, response) => {
      response.writeHead(200, lines().flat()).end(JSON.stringify(securityToken(own)));
    });
    const found = await client.fetch(own.appUuid);
    const kept = lifetimeOf(found?.maxAgeSeconds) / 1000;
    // Expires is told in whole seconds of a date that was written a moment ago.
    expect(Math.abs(kept - seconds)).toBeLessThanOrEqual(1);
  });

  it('is never more than an hour and never less than five minutes', () => {
    for (const seconds of [-1, 0, 299, 301, 3601, 1e12, Infinity, NaN, undefined]) {
      expect(lifetimeOf(seconds)).toBeGreaterThanOrEqual(300_000);
      expect(lifetimeOf(seconds)).toBeLessThanOrEqual(3_600_000);
    }
  });

  it('is nothing that headers without a word about it could tell', () => {
    expect(freshnessSeconds({})).toBe(0);
  });
});
