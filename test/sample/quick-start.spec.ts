import { MAuthSigner } from '../../lib/core.js';
import { createTestApp } from '../support/test-app.js';
import { curlLines } from '../../sample/01-quick-start/src/curl-lines.js';
import { callsOf } from '../../sample/01-quick-start/src/scenario/calls.js';
import { LogLines } from '../../sample/01-quick-start/src/scenario/log-lines.js';
import { perform } from '../../sample/01-quick-start/src/scenario/perform.js';
import { table } from '../../sample/01-quick-start/src/scenario/table.js';
import { startServices, type Services } from '../../sample/01-quick-start/src/services.js';

describe('the quick start sample', () => {
  let services: Services;
  beforeAll(async () => {
    services = await startServices();
  });
  afterAll(() => services.close());

  it('has each call end as expected, and says why', async () => {
    const outcomes = await perform(callsOf(services), services.studiesLog);
    expect(outcomes.length).toBeGreaterThanOrEqual(13);
    expect(outcomes.filter(({ asExpected }) => !asExpected)).toEqual([]);
    expect(outcomes.filter(({ why }) => why === '')).toEqual([]);
    const lines = table(outcomes).split('\n');
    expect(lines).toHaveLength(outcomes.length + 1);
    expect(lines.find((line) => line.startsWith('unsigned '))).toMatch(
      /401 +401 +missing_headers +as expected$/,
    );
  });

  it('gives the stand-in for the MAuth service no key without a signature', async () => {
    const url = `${services.mauthUrl}/mauth/v1/security_tokens/${services.clientApp.appUuid}.json`;
    expect((await fetch(url)).status).toBe(401);
  });

  it('knows apps of yours, and prints refusals as they happen', async () => {
    const { appUuid, publicKeyPem: publicKey, privateKey } = createTestApp();
    const own = await startServices({ apps: [{ appUuid, publicKey }] });
    try {
      const printed: string[] = [];
      own.studiesLog.print = (line) => printed.push(line);
      const url = `${own.studiesUrl}/studies?page=2`;
      const signer = new MAuthSigner({ appUuid, privateKey, signVersions: 'v2' });
      const headers = await signer.signRequest({ method: 'GET', url });
      expect((await fetch(url, { headers })).status).toBe(200);
      expect((await fetch(url)).status).toBe(401);
      expect(printed).toEqual([
        expect.stringMatching(/^MAuth: GET \/studies from app .*\(missing_headers\)$/),
      ]);
    } finally {
      await own.close();
    }
  });

  it('prints curl lines that do what the comment above each of them says', async () => {
    const lines = (await curlLines(services)).split('\n').filter((line) => line.startsWith('curl'));
    const statuses = await Promise.all(
      lines.map(async (line) => {
        const [, url = ''] = /curl -i '([^']+)'/.exec(line) ?? [];
        const headers = [...line.matchAll(/-H '([^:]+): ([^']+)'/g)].map(
          ([, name, value]): [string, string] => [name, value],
        );
        return (await fetch(url, { headers })).status;
      }),
    );
    expect(statuses).toEqual([200, 401, 200, 200, 401]);
  });
});

describe('an outcome of the sample', () => {
  const outcomeOf = async (answer: { status: number; data: unknown }, logged: string[] = []) => {
    const log = new LogLines();
    logged.forEach((line) => log.warn(line));
    const expected =
      answer.status < 400
        ? { status: 200, why: 'because', answer: { page: '2' } }
        : { status: 401, why: 'unknown_app' };
    const [outcome] = await perform([{ title: 'a call', expected, send: async () => answer }], log);
    return outcome.asExpected;
  };

  it('is as expected when status, answer and reason are', async () => {
    expect(await outcomeOf({ status: 200, data: { page: '2', more: 1 } })).toBe(true);
    expect(await outcomeOf({ status: 401, data: {} }, ['MAuth: refused (unknown_app)'])).toBe(true);
  });

  it.each([
    ['another status', { status: 201, data: { page: '2' } }, []],
    ['another answer', { status: 200, data: { page: '3' } }, []],
    ['no answer', { status: 200, data: null }, []],
    ['a refusal with another status', { status: 403, data: {} }, ['MAuth: refused (unknown_app)']],
    ['a refusal for another reason', { status: 401, data: {} }, ['MAuth: refused (missing_headers)']],
    ['a refusal for no reason', { status: 401, data: {} }, []],
  ])('is not with %s', async (_name, answer, logged) => {
    expect(await outcomeOf(answer, logged)).toBe(false);
  });
});
