import { Agent, createServer, type Server } from 'node:https';
import { type AddressInfo } from 'node:net';
import { MAuthAuthenticator } from '../../lib/authentication/mauth-authenticator.js';
import { mauthOptionsFromEnv } from '../../lib/config/environment.js';
import { MAuthConfigurationError } from '../../lib/config/errors.js';
import { SecurityTokenClient } from '../../lib/service/security-token-client.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { VERSION } from '../../lib/config/version.js';
import { settingsOf } from '../support/key-settings.js';
import { LOOPBACK_CERTIFICATE } from '../support/loopback-certificate.js';
import { MAuthServiceStandIn, securityToken } from '../support/mauth-service.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();
const other = createTestApp();

describe('the client of the MAuth service', () => {
  let service: MAuthServiceStandIn;
  let client: SecurityTokenClient;

  beforeEach(async () => {
    service = await MAuthServiceStandIn.start({ apps: [own, other] });
    const { settings, signer } = settingsOf(own, { mauthUrl: service.url });
    client = new SecurityTokenClient(settings, signer);
  });

  afterEach(async () => {
    client.close();
    await service.stop();
  });

  it('fetches the public key of an app, with the time for which the service vouches for it', async () => {
    service.cacheControl('max-age=900, private');
    const found = await client.fetch(other.appUuid);
    expect(found?.key.equals(other.publicKey)).toBe(true);
    expect(found?.maxAgeSeconds).toBe(900);
  });

  it.each(['v1', 'v2', 'v1,v2'])(
    'signs its own questions with %s, so that the service answers',
    async (signVersions) => {
      const { settings, signer } = settingsOf(own, { mauthUrl: service.url, signVersions });
      const signing = new SecurityTokenClient(settings, signer);
      expect(await signing.fetch(other.appUuid)).toBeDefined();
      expect(service.refusals).toEqual([]);
      signing.close();
    },
  );

  it('cannot tell when the service refuses its signature', async () => {
    const { settings, signer } = settingsOf(createTestApp(own.appUuid), { mauthUrl: service.url });
    const impostor = new SecurityTokenClient(settings, signer);
    await expect(impostor.fetch(other.appUuid)).rejects.toMatchObject({ code: 'own_app_refused' });
    expect(service.refusals).toEqual(['signature does not match']);
    impostor.close();
  });

  it('answers undefined for an app that the service does not know', async () => {
    expect(await client.fetch(createTestApp().appUuid)).toBeUndefined();
  });

  it.each(['../../etc/passwd', '', 'x', `${other.appUuid}/..`, `{${other.appUuid}}`])(
    'never puts %p, which is no UUID, into a URL',
    async (text) => {
      expect(await client.fetch(text)).toBeUndefined();
      expect(service.seenHeaders).toEqual([]);
    },
  );

  it('compares the UUID in the answer without regard to case', async () => {
    service.register({ ...other, appUuid: other.appUuid.toUpperCase() });
    expect(await client.fetch(other.appUuid)).toBeDefined();
  });

  it('uses one connection for one question after the other, also after an unknown app', async () => {
    for (const { appUuid } of [other, createTestApp(), own, other]) await client.fetch(appUuid);
    expect(service.connections).toBe(1);
  });

  it('asks under its own name, and for no compression', async () => {
    await client.fetch(other.appUuid);
    expect(service.seenHeaders[0]).toMatchObject({
      'user-agent': `nestjs-mauth/${VERSION}`,
      'accept-encoding': 'identity',
      accept: 'application/json',
    });
  });

  it('asks again when a connection is cut, and each time with a signature that holds', async () => {
    let cuts = 0;
    service.fail((request) => {
      if (++cuts === 2) service.fail(undefined);
      request.socket.destroy();
    });
    expect(await client.fetch(other.appUuid)).toBeDefined();
    expect(service.fetches(other)).toBe(3);
    expect(service.refusals).toEqual([]);
  });

  it('gives up after three attempts', async () => {
    service.fail((_request, response) => response.writeHead(500).end());
    await expect(client.fetch(other.appUuid)).rejects.toMatchObject({ code: 'service_unavailable' });
    expect(service.fetches(other)).toBe(3);
  });

  it('does not ask what it cannot sign, and does not try that again', async () => {
    let decryptions = 0;
    const { settings } = settingsOf(own, { mauthUrl: service.url });
    const signer = new MAuthSigner({
      appUuid: own.appUuid,
      privateKey: 'Y2lwaGVydGV4dA==',
      decryptPrivateKey: () => Promise.reject(new Error(`no permission ${++decryptions}`)),
    });
    const mute = new SecurityTokenClient(settings, signer);
    await expect(mute.fetch(other.appUuid)).rejects.toMatchObject({
      code: 'service_unavailable',
      message: expect.stringContaining('could not be signed') as string,
    });
    expect(decryptions).toBe(1);
    expect(service.seenHeaders).toEqual([]);
    mute.close();
  });

  it('ends what is under way when it is closed', async () => {
    service.fail('hang');
    const fetching = client.fetch(other.appUuid);
    setTimeout(() => client.close(), 50);
    await expect(fetching).rejects.toMatchObject({ code: 'service_unavailable' });
  });

  it('finds the service below a path', async () => {
    const seen: (string | undefined)[] = [];
    service.fail((request, response) => {
      seen.push(request.url);
      response.writeHead(404).end();
    });
    const { settings, signer } = settingsOf(own, {
      mauthUrl: `${service.url}/behind/a/proxy/`,
      apiVersion: 'v7',
    });
    const below = new SecurityTokenClient(settings, signer);
    expect(await below.fetch(other.appUuid)).toBeUndefined();
    expect(seen).toEqual([`/behind/a/proxy/mauth/v7/security_tokens/${other.appUuid}.json`]);
    below.close();
  });
});

describe('a MAuth service over https', () => {
  let server: Server;
  let mauthUrl: string;

  beforeAll(async () => {
    server = createServer(LOOPBACK_CERTIFICATE, (_request, response) => {
      response.end(JSON.stringify(securityToken(other)));
    });
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    mauthUrl = `https://127.0.0.1:${(server.address() as AddressInfo).port}`;
  });
  afterAll(() => void server.close());

  it('is asked through an agent that knows its certificate authority', async () => {
    const agent = new Agent({ ca: LOOPBACK_CERTIFICATE.cert });
    const { settings, signer } = settingsOf(own, { mauthUrl, service: { agent } });
    expect(await new SecurityTokenClient(settings, signer).fetch(other.appUuid)).toBeDefined();
    agent.destroy();
  });

  it('is not believed with a certificate that nobody has signed', async () => {
    const { settings, signer } = settingsOf(own, { mauthUrl });
    const client = new SecurityTokenClient(settings, signer);
    await expect(client.fetch(other.appUuid)).rejects.toMatchObject({
      code: 'service_unavailable',
      message: expect.stringContaining('DEPTH_ZERO_SELF_SIGNED_CERT') as string,
    });
    client.close();
  });

  it('keeps the agent that was given open when the client is closed', async () => {
    const agent = new Agent({ ca: LOOPBACK_CERTIFICATE.cert, keepAlive: true });
    const { settings, signer } = settingsOf(own, { mauthUrl, service: { agent } });
    const [first, second] = [
      new SecurityTokenClient(settings, signer),
      new SecurityTokenClient(settings, signer),
    ];
    await first.fetch(other.appUuid);
    first.close();
    expect(await second.fetch(other.appUuid)).toBeDefined();
    agent.destroy();
  });
});

describe('the address of the MAuth service', () => {
  const connectTo = (mauthUrl: string, allowHttp?: boolean) => () => {
    const { settings, signer } = settingsOf(own, { mauthUrl, service: { allowHttp } });
    new SecurityTokenClient(settings, signer).close();
  };

  it.each([
    'http://mauth.example.com',
    'http://10.0.0.1',
    'http://127.0.0.1.example.com',
    'http://localhost.example.com',
  ])('must be https: %s is a configuration error that names the options', (mauthUrl) => {
    expect(connectTo(mauthUrl)).toThrow(MAuthConfigurationError);
    expect(connectTo(mauthUrl)).toThrow(
      /`mauthUrl`.*MAUTH_URL.*`service\.allowHttp` \(environment: MAUTH_ALLOW_HTTP\)/,
    );
  });

  it.each([
    'https://mauth.example.com',
    'http://localhost:1',
    'http://127.0.0.1',
    'http://127.9.9.9',
    'http://[::1]:9',
  ])('may be %s', (mauthUrl) => {
    expect(connectTo(mauthUrl)).not.toThrow();
  });

  it.each([
    ['true', true],
    [' TRUE\n', true],
    ['false', false],
    ['', false],
  ])('may be that of a compose network where MAUTH_ALLOW_HTTP is %j: %s', (MAUTH_ALLOW_HTTP, isAllowed) => {
    const env = {
      APP_UUID: own.appUuid,
      PRIVATE_KEY: own.privateKeyPem,
      MAUTH_URL: 'http://mauth:3000',
      MAUTH_ALLOW_HTTP,
    };
    const make = () => new MAuthAuthenticator(mauthOptionsFromEnv(env));
    if (isAllowed) expect(make).not.toThrow();
    else expect(make).toThrow(/MAUTH_ALLOW_HTTP/);
  });

  it('may be plain HTTP where that is allowed by name', () => {
    expect(connectTo('http://mauth.example.com', true)).not.toThrow();
  });
});
