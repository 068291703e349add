import { randomUUID } from 'node:crypto';
import { readdirSync, readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { type AddressInfo } from 'node:net';
import { join } from 'node:path';
import {
  MAuthAuthenticator,
  type MAuthRequestToAuthenticate,
} from '../../lib/authentication/mauth-authenticator.js';
import { type MAuthFailureCode } from '../../lib/authentication/result.js';
import { AuthenticationTicketClient } from '../../lib/service/authentication-tickets.js';
import { type MAuthOptions } from '../../lib/config/options.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { type MAuthServiceAnswer } from '../../lib/testing/fake-mauth-service.js';
import { settingsOf } from '../support/key-settings.js';
import { timed } from '../support/lookups.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { SimulatedClock } from '../support/simulated-clock.js';
import { describeWithSuites } from '../support/suites.js';
import { createTestApp } from '../support/test-app.js';

const DEADLINE_MS = 300;
// Bounds of real time are tested: a machine that pauses gets a second try, and says so.
jest.retryTimes(2, { logErrorsBeforeRetry: true });

const own = createTestApp();
const caller = createTestApp();
const stranger = createTestApp();
const callerSigns = new MAuthSigner({
  appUuid: caller.appUuid,
  privateKey: caller.privateKey,
  signVersions: 'v2',
});

let service: MAuthServiceStandIn;
let tickets: AuthenticationTicketClient;
let authenticator: MAuthAuthenticator;

const start = (options: Partial<MAuthOptions> = {}) => {
  tickets?.close();
  const { settings, signer } = settingsOf(own, {
    mauthUrl: service.url,
    mode: 'remote',
    ...options,
  });
  tickets = new AuthenticationTicketClient(settings, signer);
  authenticator = new MAuthAuthenticator({ settings, keys: undefined, tickets });
};

beforeEach(async () => {
  service = await MAuthServiceStandIn.start({ apps: [own, caller] });
  start();
});
afterEach(async () => {
  tickets.close();
  await service.stop();
});

async function signed(
  changes: Partial<MAuthRequestToAuthenticate> = {},
  signer = callerSigns,
): Promise<MAuthRequestToAuthenticate> {
  const request = { method: 'POST', url: '/studies?page=1&q=%20', body: Buffer.from([0, 255, 10, 13]) };
  return { ...request, headers: await signer.signRequest(request), ...changes };
}

describeWithSuites('remote mode', 'suites/mauth-protocol-test-suite', (path) => {
  const suite = path('suites', 'mauth-protocol-test-suite');
  const config = JSON.parse(readFileSync(join(suite, 'signing-config.json'), 'utf8'));
  const publicKeyPem = readFileSync(join(suite, 'signing-params', 'rsa-key-pub'), 'utf8');
  const cases = ['MWS', 'MWSV2'].flatMap((version) =>
    readdirSync(join(suite, 'protocols', version)).map((name) => [version, name] as const),
  );

  it('has 24 cases of the public suite to verify', () => {
    expect(cases).toHaveLength(24);
  });

  it.each(cases)('has %s %s verified by the service', async (version, name) => {
    const folder = join(suite, 'protocols', version, name);
    const read = (extension: string) =>
      JSON.parse(readFileSync(join(folder, `${name}.${extension}`), 'utf8'));
    const { verb, url, body, body_filepath } = read('req');
    const request = {
      method: verb,
      url,
      body: body_filepath ? readFileSync(join(folder, body_filepath)) : body,
      headers: Object.fromEntries(
        Object.entries(read('authz')).map(([header, value]) => [header, String(value)]),
      ),
    };
    service.register(config.app_uuid, publicKeyPem);
    start({ now: () => config.request_time * 1000 });
    expect(await authenticator.authenticateRequest(request)).toEqual({
      authentic: true,
      appUuid: config.app_uuid,
      protocolVersion: version === 'MWS' ? 1 : 2,
    });
    expect(service.tickets).toBe(1);
    expect(service.fetches()).toBe(0);
  });
});

describe('an authentication ticket', () => {
  it('is signed, so that the service reads it', async () => {
    expect(await authenticator.authenticateRequest(await signed())).toMatchObject({ authentic: true });
    expect(service.refusals).toEqual([]);
  });

  it.each([
    ['body', { body: Buffer.from([0, 255, 10, 12]) }],
    ['method', { method: 'PUT' }],
    ['path', { url: '/subjects?page=1&q=%20' }],
    ['query', { url: '/studies?page=2&q=%20' }],
  ] as const)('about a request with another %s is refused by the service: 401', async (_part, change) => {
    const result = await authenticator.authenticateRequest(await signed(change));
    expect(result).toMatchObject({ authentic: false, status: 401, code: 'signature_mismatch' });
    expect(service.tickets).toBe(1);
  });

  it.each([404, 412])('that is answered %i means 401', async (status) => {
    service.fail((_request, response) => response.writeHead(status).end());
    expect(await authenticator.authenticateRequest(await signed())).toMatchObject({
      authentic: false,
      status: 401,
    });
  });

  it.each([200, 201, 204])('that is answered %i is authentic, whatever the body', async (status) => {
    service.fail((_request, response) =>
      response.writeHead(status).end(status === 204 ? undefined : 'not JSON'),
    );
    expect(await authenticator.authenticateRequest(await signed())).toMatchObject({ authentic: true });
  });

  const statusesOf = (code: MAuthFailureCode, ...statuses: number[]) =>
    statuses.map((status): [number, MAuthFailureCode] => [status, code]);

  it.each([
    ...statusesOf('service_answer_malformed', 301, 302, 307, 400, 409, 418),
    ...statusesOf('own_app_refused', 401, 403),
    ...statusesOf('service_unavailable', 429, 500, 503),
  ])('that is answered %i means 503, for the log %s', async (status, code) => {
    service.fail((_request, response) => response.writeHead(status, { location: '/elsewhere' }).end());
    expect(await authenticator.authenticateRequest(await signed())).toMatchObject({
      authentic: false,
      status: 503,
      code,
    });
  });

  it('of an app that the service does not know is 401', async () => {
    const unknown = new MAuthSigner({
      appUuid: stranger.appUuid,
      privateKey: stranger.privateKey,
      signVersions: 'v2',
    });
    const result = await authenticator.authenticateRequest(await signed({}, unknown));
    expect(result).toMatchObject({ authentic: false, status: 401 });
  });

  it('is 503 within the deadline while the service hangs', async () => {
    start({ service: { deadlineMs: DEADLINE_MS } });
    service.fail('hang');
    const request = await signed();
    const [result, took] = await timed(() => authenticator.authenticateRequest(request));
    expect(result).toEqual({ authentic: false, status: 503, code: 'service_unavailable' });
    expect(took).toBeLessThan(DEADLINE_MS + 300);
  });

  it('is 503 while the service is down, and works again once it is back', async () => {
    await service.stop();
    expect(await authenticator.authenticateRequest(await signed())).toMatchObject({ status: 503 });
    await service.restart();
    expect(await authenticator.authenticateRequest(await signed())).toMatchObject({ authentic: true });
  });

  it('is not written for a request that is malformed', async () => {
    const { headers } = await signed();
    const time = Object.keys(headers).find((name) => name.toLowerCase() === 'mcc-time') as string;
    const malformed: MAuthRequestToAuthenticate[] = [
      await signed({ headers: {} }),
      await signed({ headers: { ...headers, [time]: '1e9' } as Record<string, string> }),
      await signed({ headers: { ...headers, [time]: '1' } as Record<string, string> }),
      await signed({ headers: { 'MCC-Authentication': `MWSV2 ../..:AAAA;`, 'MCC-Time': '1' } }),
      await signed({ method: 'get' }),
      await signed({ url: 'http://elsewhere/' }),
      await signed({ url: '/a\nb' }),
    ];
    for (const request of malformed) {
      expect(await authenticator.authenticateRequest(request)).toMatchObject({
        authentic: false,
        status: 401,
      });
    }
    expect(service.tickets).toBe(0);
  });

  it('waits its turn: no more are open at once than allowed, and none for longer than the deadline', async () => {
    start({ service: { deadlineMs: DEADLINE_MS, maxOpenFetches: 10 } });
    service.fail('hang');
    const request = await signed();
    const [results, took] = await timed(() =>
      Promise.all(Array.from({ length: 200 }, () => authenticator.authenticateRequest(request))),
    );
    expect(new Set(results.map((result) => !result.authentic && result.status))).toEqual(new Set([503]));
    expect(service.mostOpen).toBeLessThanOrEqual(10);
    expect(took).toBeLessThan(DEADLINE_MS + 300);
  });
});

describe('The body in a ticket', () => {
  const large = Buffer.alloc(300_000, 'MAuth');
  const ticket = {
    verb: 'POST',
    app_uuid: caller.appUuid,
    client_signature: '',
    request_url: '/',
    request_time: '1',
  };

  it('is sent once more, as a whole, when the service has failed', async () => {
    service.fail((_request, response) => {
      response.writeHead(500).end();
      service.fail(undefined);
    });
    expect(await authenticator.authenticateRequest(await signed({ body: large }))).toMatchObject({
      code: 'signature_mismatch',
    });
    const request = { method: 'POST', url: '/studies', body: large };
    const headers = await callerSigns.signRequest(request);
    expect(await authenticator.authenticateRequest({ ...request, headers })).toMatchObject({
      authentic: true,
    });
    expect(service.refusals).toEqual([]);
    expect(service.tickets).toBe(3);
  });

  it('is not looked at before the question may be asked', async () => {
    start({ service: { maxOpenFetches: 1, deadlineMs: DEADLINE_MS } });
    let looks = 0;
    const body = Object.defineProperty([], '0', { get: () => (looks++, large) }) as Uint8Array[];
    service.fail('hang');
    const first = tickets.isAuthentic(ticket, []).catch(() => 'no answer');
    const second = tickets.isAuthentic(ticket, body).catch((error: { code: string }) => error.code);
    expect(await Promise.all([first, second])).toEqual(['no answer', 'too_many_lookups']);
    expect(looks).toBe(0);
  });

  it.each([
    ['without reading it', 404, false],
    ['in the middle of it', 404, false],
    ['in the middle of it', 204, true],
  ])('is sent no further when the service answers %s: %i', async (when, status, isAuthentic) => {
    const deaf = createServer((request, response) => {
      if (when === 'without reading it') request.socket.pause();
      response.writeHead(status).end();
    });
    await new Promise<void>((resolve) => deaf.listen(0, '127.0.0.1', resolve));
    const closed = new Promise((resolve) => deaf.on('connection', (socket) => socket.on('close', resolve)));
    start({ mauthUrl: `http://127.0.0.1:${(deaf.address() as AddressInfo).port}` });
    // More than what the buffers of sockets take.
    const body = Array<Buffer>(60).fill(large);
    expect(await tickets.isAuthentic(ticket, body)).toBe(isAuthentic);
    if (when !== 'without reading it') await closed;
    deaf.closeAllConnections();
    await new Promise((resolve) => deaf.close(resolve));
  });
});

describe('A MAuth service that is asked about tickets', () => {
  /** A request under a made-up UUID. */
  const madeUp = (body?: Buffer) =>
    signed(
      body && { body },
      new MAuthSigner({ appUuid: randomUUID(), privateKey: caller.privateKey, signVersions: 'v2' }),
    );
  const codeOf = async (request: MAuthRequestToAuthenticate) => {
    const result = await authenticator.authenticateRequest(request);
    return result.authentic ? 'authentic' : result.code;
  };

  it('is left alone while it hangs, and nobody waits for it', async () => {
    start({ service: { deadlineMs: DEADLINE_MS } });
    service.fail('hang');
    for (let i = 0; i < 3; i++) expect(await codeOf(await madeUp())).toBe('service_unavailable');
    const request = await madeUp();
    const [code, took] = await timed(() => codeOf(request));
    expect(code).toBe('service_unavailable');
    expect(took).toBeLessThan(50);
    expect(service.tickets).toBe(3);
  });

  it('is asked again, once, when the cool-down is over', async () => {
    const clock = new SimulatedClock();
    clock.advance((Date.now() - clock.now()) / 1000);
    start({ now: clock.now, service: { deadlineMs: DEADLINE_MS } });
    service.fail('hang');
    for (let i = 0; i < 3; i++) await codeOf(await madeUp());
    clock.advance(13);
    const requests = await Promise.all(Array.from({ length: 5 }, () => madeUp()));
    await Promise.all(requests.map(codeOf));
    expect(service.tickets).toBe(4);
    clock.advance(13);
    service.fail(undefined);
    expect(await codeOf(await signed())).toBe('authentic');
    expect(await codeOf(await signed())).toBe('authentic');
  });

  it.each<[string, MAuthServiceAnswer, number | undefined]>([
    ['answered with 500', (_, response) => response.writeHead(500).end(), undefined],
    ['stopped with 403 on their way', (_, response) => response.writeHead(403).end(), undefined],
    ['answered with 400', (_, response) => response.writeHead(400).end(), undefined],
    ['late, for they are large', () => undefined, 100_000],
  ])('is not taken for down because of tickets that are %s', async (_what, answer, length) => {
    start({ service: { deadlineMs: DEADLINE_MS } });
    service.fail(answer);
    for (let i = 0; i < 5; i++)
      expect(await codeOf(await madeUp(length ? Buffer.alloc(length) : undefined))).not.toBe('authentic');
    service.fail(undefined);
    expect(await codeOf(await signed())).toBe('authentic');
  });
});
