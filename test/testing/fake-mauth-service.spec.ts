import { execFile } from 'node:child_process';
import { MAuthAuthenticator, MAuthSigner } from '../../lib/core.js';
import {
  FakeMAuthService,
  generateMAuthKeyPair,
  MAuthTestingModule,
  type MAuthServiceFault,
} from '../../lib/testing/index.js';

const own = MAuthTestingModule.caller();
const rave = MAuthTestingModule.caller();

describe('FakeMAuthService', () => {
  let service: FakeMAuthService;

  beforeEach(async () => {
    service = await FakeMAuthService.start();
  });
  afterEach(() => service.stop());

  const authenticator = async (options: object = {}) => {
    const pair = await pairOfOwn;
    service.register(OWN, pair.publicKey);
    return new MAuthAuthenticator({
      appUuid: OWN,
      privateKey: pair.privateKey,
      mauthUrl: service.url,
      logger: SILENT,
      logAttempts: false,
      service: { deadlineMs: 300 },
      ...options,
    });
  };
  const request = async (signer = rave.signer) => ({
    method: 'POST',
    url: '/studies?page=1',
    headers: await signer.signRequest({ method: 'POST', url: '/studies?page=1', body: 'x' }),
    body: 'x',
  });

  it('hands out the keys of registered apps, and knows no others', async () => {
    service.register(rave);
    const mauth = await authenticator();
    await expect(mauth.authenticateRequest(await request())).resolves.toMatchObject({ authentic: true });
    const stranger = MAuthTestingModule.caller();
    await expect(mauth.authenticateRequest(await request(stranger.signer))).resolves.toMatchObject({
      code: 'unknown_app',
    });
    expect(service.calls).toEqual([
      {
        kind: 'security_token',
        method: 'GET',
        url: `/mauth/v1/security_tokens/${rave.appUuid}.json`,
        appUuid: rave.appUuid,
        status: 200,
      },
      expect.objectContaining({ appUuid: stranger.appUuid, status: 404 }),
    ]);
  });

  it('decides about tickets', async () => {
    service.register(rave);
    const mauth = await authenticator({ mode: 'remote' });
    await expect(mauth.authenticateRequest(await request())).resolves.toMatchObject({ authentic: true });
    await expect(mauth.authenticateRequest({ ...(await request()), body: 'y' })).resolves.toMatchObject({
      code: 'signature_mismatch',
    });
    expect(service.calls.map(({ kind, status }) => [kind, status])).toEqual([
      ['authentication_ticket', 204],
      ['authentication_ticket', 412], // V2, and then V1
      ['authentication_ticket', 412],
    ]);
  });

  it('rotates and revokes keys, and says how long they may be kept', async () => {
    service.register(rave);
    service.maxAge(1234);
    const pair = await service.rotate(rave.appUuid);
    const mauth = await authenticator();
    await expect(mauth.authenticateRequest(await request())).resolves.toMatchObject({
      code: 'signature_mismatch',
    });
    const renewed = new MAuthSigner({ appUuid: rave.appUuid, privateKey: pair.privateKey });
    await expect(mauth.authenticateRequest(await request(renewed))).resolves.toMatchObject({
      authentic: true,
    });
    const headers = headersOf(await ask(service, rave.appUuid));
    expect(headers).toMatch(/cache-control: max-age=1234, private/i);
    service.revoke(rave.appUuid);
    const afterwards = await authenticator();
    await expect(afterwards.authenticateRequest(await request(renewed))).resolves.toMatchObject({
      code: 'unknown_app',
    });
  });

  it('takes apps and callers alike, and answers a UUID as it was registered', async () => {
    service.register({ appUuid: rave.appUuid.toUpperCase(), publicKey: rave.publicKey });
    await expect(ask(service, rave.appUuid).then(bodyOf)).resolves.toMatchObject({
      security_token: { app_uuid: rave.appUuid.toUpperCase(), public_key_str: rave.publicKey },
    });
    const { publicKey } = await service.rotate(rave);
    await expect(ask(service, rave.appUuid).then(bodyOf)).resolves.toMatchObject({
      security_token: { app_uuid: rave.appUuid, public_key_str: publicKey },
    });
    service.revoke(rave);
    await expect(ask(service, rave.appUuid)).resolves.toMatchObject({ status: 404 });
  });

  it('says anything at all about caching, or nothing', async () => {
    service.register(rave);
    const said = async () => (await ask(service, rave.appUuid)).headers.get('cache-control');
    expect(await said()).toBeNull();
    service.cacheControl('no-store');
    expect(await said()).toBe('no-store');
    service.cacheControl(undefined);
    expect(await said()).toBeNull();
  });

  it('takes its time, for proper answers and for others', async () => {
    service.register(rave);
    service.latency(200);
    for (const fault of [undefined, 503]) {
      service.fail(fault);
      const asked = performance.now();
      await expect(ask(service, rave.appUuid)).resolves.toMatchObject({ status: fault ?? 200 });
      // Timers may be early by a part of a millisecond.
      expect(performance.now() - asked).toBeGreaterThan(198);
    }
    const mauth = await authenticator({ service: { deadlineMs: 100 } });
    service.fail(undefined);
    await expect(mauth.authenticateRequest(await request())).resolves.toMatchObject({
      code: 'service_unavailable',
    });
    service.latency(0);
    const afterwards = await authenticator();
    await expect(afterwards.authenticateRequest(await request())).resolves.toMatchObject({ authentic: true });
  });

  it('goes down, and comes back under the same address with all that it knew', async () => {
    service.register(rave);
    service.maxAge(1234);
    await ask(service, rave.appUuid);
    const { url } = service;
    await service.stop();
    await service.stop();
    expect(service.url).toBe(url);
    await expect(ask(service, rave.appUuid)).rejects.toMatchObject({ cause: { code: 'ECONNREFUSED' } });
    await service.restart();
    expect(service.url).toBe(url);
    const answer = await ask(service, rave.appUuid);
    expect([answer.status, answer.headers.get('cache-control')]).toEqual([200, 'max-age=1234, private']);
    expect(service.calls).toHaveLength(2);
  });

  it('does not come back while another process has its port', async () => {
    const port = Number(new URL(service.url).port);
    await service.stop();
    const squatter = await FakeMAuthService.start({ port });
    await expect(service.restart()).rejects.toMatchObject({ code: 'EADDRINUSE' });
    await squatter.stop();
    await service.restart();
    await expect(ask(service, rave.appUuid)).resolves.toMatchObject({ status: 404 });
  });

  it.each<[MAuthServiceFault, string]>([
    ['hang', 'service_unavailable'],
    ['refuse', 'service_unavailable'],
    ['malformed', 'service_answer_malformed'],
    ['other_app', 'service_answer_malformed'],
    ['redirect', 'service_answer_malformed'],
    ['endless', 'service_answer_malformed'],
    ['oversized', 'service_answer_malformed'],
    [500, 'service_unavailable'],
    [503, 'service_unavailable'],
    [404, 'unknown_app'],
    [401, 'own_app_refused'],
    [(_request, response) => void response.writeHead(200).end('null'), 'service_answer_malformed'],
  ])('goes wrong on demand: %s', async (fault, code) => {
    service.register(rave);
    const mauth = await authenticator();
    service.fail(fault);
    await expect(mauth.authenticateRequest(await request())).resolves.toMatchObject({
      authentic: false,
      code,
    });
    service.fail(undefined);
    const afterwards = await authenticator();
    await expect(afterwards.authenticateRequest(await request())).resolves.toMatchObject({ authentic: true });
  });

  it.each<[MAuthServiceFault]>([['refuse'], [503]])(
    'goes wrong as often as it is told: %s',
    async (fault) => {
      service.register(rave);
      service.fail(fault, { times: 1 });
      const mauth = await authenticator({ service: { deadlineMs: 3000 } });
      // Network errors and 5xx are asked again within the deadline.
      await expect(mauth.authenticateRequest(await request())).resolves.toMatchObject({ authentic: true });
    },
  );

  it('answers 401 to questions that are not signed, and says why', async () => {
    service.register(rave);
    await expect(
      fetch(`${service.url}/mauth/v1/security_tokens/${rave.appUuid}.json`),
    ).resolves.toMatchObject({
      status: 401,
    });
    const url = `/mauth/v1/security_tokens/${rave.appUuid}.json`;
    const late = await rave.sign({ method: 'GET', url }, { time: 1_000_000_000 });
    await expect(fetch(service.url + url, { headers: late })).resolves.toMatchObject({ status: 401 });
    const forged = await rave.sign({ method: 'GET', url: '/elsewhere' });
    await expect(fetch(service.url + url, { headers: forged })).resolves.toMatchObject({ status: 401 });
    expect(service.calls.map(({ refusal }) => refusal)).toEqual([
      expect.stringContaining('not signed'),
      expect.stringContaining('signed at 1000000000'),
      expect.stringContaining('does not match'),
    ]);
  });

  it('lets callers of the process ask, until they are revoked', async () => {
    service.register(rave);
    const url = `/mauth/v1/security_tokens/${rave.appUuid}.json`;
    const asked = async () =>
      (await fetch(service.url + url, { headers: await own.sign({ method: 'GET', url }) })).status;
    await expect(asked()).resolves.toBe(200);
    service.revoke(own.appUuid);
    await expect(asked()).resolves.toBe(401);
  });

  it('speaks plain HTTP to clients in other languages', async () => {
    service.register(rave);
    const url = `/mauth/v1/security_tokens/${rave.appUuid}.json`;
    const headers = await own.sign({ method: 'GET', url });
    const script = [
      'use strict; use warnings; use IO::Socket::INET;',
      'my ($port, $path, @headers) = @ARGV;',
      'my $socket = IO::Socket::INET->new(PeerAddr => "127.0.0.1", PeerPort => $port) or die $!;',
      'print $socket join("\\r\\n", "GET $path HTTP/1.1", "Host: localhost", "Connection: close", @headers, "", "");',
      'local $/; print <$socket>;',
    ].join('\n');
    const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}`);
    const answer = await new Promise<string>((resolve, reject) => {
      execFile('perl', ['-e', script, new URL(service.url).port, url, ...lines], (error, stdout) =>
        error ? reject(new Error(error.message)) : resolve(stdout),
      );
    });
    expect(answer).toMatch(/^HTTP\/1\.1 200/);
    expect(JSON.parse(answer.slice(answer.indexOf('{'), answer.lastIndexOf('}') + 1))).toMatchObject({
      security_token: { app_uuid: rave.appUuid, public_key_str: rave.publicKey },
    });
  });

  it('listens on the port that it is given, and says what to register', async () => {
    const port = Number(new URL(service.url).port);
    await expect(FakeMAuthService.start({ port })).rejects.toMatchObject({ code: 'EADDRINUSE' });
    expect(() => service.register('x', 'y')).toThrow(/app UUID/);
    expect(() => service.register(rave.appUuid)).toThrow(/public key/);
  });
});

const SILENT = {
  debug: () => undefined,
  log: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};
const OWN = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const pairOfOwn = generateMAuthKeyPair();

async function ask(service: FakeMAuthService, appUuid: string): Promise<Response> {
  const url = `/mauth/v1/security_tokens/${appUuid}.json`;
  return fetch(service.url + url, { headers: await own.sign({ method: 'GET', url }) });
}

const bodyOf = (response: Response): Promise<unknown> => response.json();

const headersOf = ({ headers }: Response): string =>
  [...headers].map(([name, value]) => `${name}: ${value}`).join('\n');
