import { MAuthConfigurationError, MAuthSigner, type MAuthOptions } from '../../lib/core.js';
import { createLambdaAuthenticator, LambdaAuthenticator } from '../../lib/lambda/index.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { RecordingLogger } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';
import { functionUrl, httpApi, loadBalancer, loadBalancerWithLists, restApi } from './gateway-events.js';

const us = createTestApp();
const caller = createTestApp();

describe('a Lambda function', () => {
  let service: MAuthServiceStandIn;

  beforeEach(async () => {
    service = await MAuthServiceStandIn.start({ apps: [us, caller] });
  });
  afterEach(() => service.stop());

  const optionsWith = (options: Partial<MAuthOptions> = {}): MAuthOptions => ({
    appUuid: us.appUuid,
    privateKey: us.privateKeyPem,
    mauthUrl: service.url,
    signVersions: 'v2',
    logger: new RecordingLogger(),
    ...options,
  });

  async function signed(target: string, signVersions = 'v2') {
    const signer = new MAuthSigner({ appUuid: caller.appUuid, privateKey: caller.privateKey, signVersions });
    const headers = await signer.signRequest({ method: 'GET', url: target });
    return { method: 'GET', target, headers };
  }

  it('asks the MAuth service once, however often a warm instance is called', async () => {
    const mauth = createLambdaAuthenticator(optionsWith());
    for (let call = 0; call < 5; call++) {
      const event = restApi.event(await signed('/prod/studies'));
      await expect(mauth.authenticateEvent(event)).resolves.toMatchObject({ authentic: true });
    }
    expect(service.fetches(caller)).toBe(1);
    const colder = createLambdaAuthenticator(optionsWith());
    await colder.authenticateEvent(restApi.event(await signed('/prod/studies')));
    expect(service.fetches(caller)).toBe(2);
  });

  it('asks it once for many first calls at a time', async () => {
    const mauth = createLambdaAuthenticator(optionsWith());
    const event = restApi.event(await signed('/prod/studies'));
    const results = await Promise.all(Array.from({ length: 50 }, () => mauth.authenticateEvent(event)));
    expect(results.every(({ authentic }) => authentic)).toBe(true);
    expect(service.fetches()).toBe(1);
  });

  it('gets authentic requests, and who signed them', async () => {
    const mauth = createLambdaAuthenticator(optionsWith());
    const handler = mauth.withMAuth((event: { rawPath: string }, context: { id: number }, identity) => {
      expect(Object.isFrozen(identity)).toBe(true);
      return { statusCode: 200, body: `${event.rawPath} ${context.id} ${identity.appUuid}` };
    });
    const event = functionUrl.event(await signed('/studies')) as { rawPath: string };
    await expect(handler(event, { id: 7 })).resolves.toEqual({
      statusCode: 200,
      body: `/studies 7 ${caller.appUuid}`,
    });
  });

  it('lets the MAuth service verify in remote mode', async () => {
    const mauth = createLambdaAuthenticator(optionsWith({ mode: 'remote' }));
    const request = await signed('/prod/studies?page=1');
    await expect(mauth.authenticateEvent(restApi.event(request))).resolves.toMatchObject({ authentic: true });
    const changed = restApi.event({ ...request, target: '/prod/studies?page=2' });
    await expect(mauth.authenticateEvent(changed)).resolves.toMatchObject({ status: 401 });
    expect(service.tickets).toBe(2);
    expect(service.fetches()).toBe(0);
    const nobody = optionsWith({
      mode: 'remote',
      mauthUrl: undefined,
      findPublicKey: () => caller.publicKey,
    });
    await expect(createLambdaAuthenticator(nobody).ready()).rejects.toThrow('MAUTH_URL');
  });

  describe('that is called without authority', () => {
    const never = () => {
      throw new Error('The handler must not run.');
    };
    const UNAUTHORIZED = '{"errors":{"mauth":["Unauthorized"]}}';

    it.each([restApi, httpApi, functionUrl, loadBalancer].map((gateway) => [gateway.name, gateway] as const))(
      'answers 401 behind %s',
      async (_name, gateway) => {
        const handler = createLambdaAuthenticator(optionsWith()).withMAuth(never);
        const event = gateway.event({ method: 'GET', target: '/prod/studies', headers: {} });
        await expect(handler(event, {})).resolves.toMatchObject({
          statusCode: 401,
          headers: { 'content-type': 'application/json; charset=utf-8' },
          body: UNAUTHORIZED,
          isBase64Encoded: false,
        });
      },
    );

    it('answers in lists where the load balancer reads nothing else', async () => {
      const handler = createLambdaAuthenticator(optionsWith()).withMAuth(never);
      const event = loadBalancerWithLists.event({ method: 'GET', target: '/', headers: {} });
      await expect(handler(event, {})).resolves.toMatchObject({
        statusCode: 401,
        multiValueHeaders: { 'content-type': ['application/json; charset=utf-8'] },
      });
    });

    it('tells those that signed V1 alone that V2 is required', async () => {
      const mauth = createLambdaAuthenticator(optionsWith({ v2OnlyAuthenticate: true }));
      const answer = await mauth.withMAuth(never)(httpApi.event(await signed('/prod/studies', 'v1')), {});
      expect(JSON.parse((answer as { body: string }).body)).toEqual({
        type: 'errors:mauth:missing_v2',
        title:
          'This service requires mAuth v2 mcc-authentication header. Upgrade your mAuth library and configure it properly.',
      });
    });

    it('answers 503 when the MAuth service cannot be asked', async () => {
      await service.stop();
      const mauth = createLambdaAuthenticator(optionsWith());
      await expect(
        mauth.withMAuth(never)(httpApi.event(await signed('/prod/studies')), {}),
      ).resolves.toMatchObject({
        statusCode: 503,
        headers: { 'retry-after': expect.stringMatching(/^\d+$/) },
        body: '{"errors":{"mauth":["Could not determine request authenticity"]}}',
      });
    });

    it('answers anything that is no request with 401', async () => {
      const handler = createLambdaAuthenticator(optionsWith()).withMAuth(never);
      await expect(handler({ Records: [] }, {})).resolves.toMatchObject({ statusCode: 401 });
      await expect(handler(undefined, {})).resolves.toMatchObject({ statusCode: 401 });
    });
  });

  describe('that takes requests apart itself', () => {
    const ask = (mauth: ReturnType<typeof createLambdaAuthenticator>, url: string, headers: object) =>
      new LambdaAuthenticator('GET', url, headers as Record<string, string>, null, mauth);

    it('learns whether they are authentic, and then who signed them', async () => {
      const mauth = createLambdaAuthenticator(optionsWith());
      const { headers } = await signed('/studies?page=1');
      const request = ask(mauth, '/studies?page=1', headers);
      expect(request.getAppUuid()).toBeUndefined();
      await expect(request.isAuthentic()).resolves.toEqual({ authentic: true, status: 200, message: '' });
      expect(request.getAppUuid()).toBe(caller.appUuid);
    });

    it('may give the whole URL, and text beyond ASCII', async () => {
      const mauth = createLambdaAuthenticator(optionsWith());
      const { headers } = await signed('/studies?city=Zürich');
      const request = ask(mauth, 'https://api.example.com:8443/studies?city=Zürich', headers);
      await expect(request.isAuthentic()).resolves.toMatchObject({ authentic: true });
    });

    it('verifies once, however often it asks', async () => {
      const logger = new RecordingLogger();
      const mauth = createLambdaAuthenticator(optionsWith({ logger }));
      const { headers } = await signed('/studies');
      const request = ask(mauth, '/studies', headers);
      expect(await request.isAuthentic()).toBe(await request.isAuthentic());
      expect(logger.lines).toHaveLength(1);
    });

    it('learns nothing about who did not sign', async () => {
      const mauth = createLambdaAuthenticator(optionsWith());
      const { headers } = await signed('/studies');
      const request = ask(mauth, '/other', headers);
      await expect(request.isAuthentic()).resolves.toEqual({
        authentic: false,
        status: 401,
        message: 'Unauthorized',
      });
      expect(request.getAppUuid()).toBeUndefined();
    });

    it('refuses paths that can be read in two ways, unless the protocol alone decides', async () => {
      const { headers } = await signed('/public/../studies');
      const strict = ask(createLambdaAuthenticator(optionsWith()), '/public/../studies', headers);
      await expect(strict.isAuthentic()).resolves.toMatchObject({ status: 401 });
      const options = optionsWith({ pathPolicy: 'protocol' });
      const lenient = ask(createLambdaAuthenticator(options), '/public/../studies', headers);
      await expect(lenient.isAuthentic()).resolves.toMatchObject({ authentic: true });
    });

    it.each([
      ['a body that is not there', 'GET', '/studies', undefined],
      ['a body of another kind', 'GET', '/studies', {}],
    ])('cannot decide about %s', async (_title, method, url, body) => {
      const mauth = createLambdaAuthenticator(optionsWith());
      const { headers } = await signed('/studies');
      const request = new LambdaAuthenticator(method, url, headers, body as any, mauth);
      await expect(request.isAuthentic()).resolves.toEqual({
        authentic: false,
        status: 503,
        message: 'Could not determine request authenticity',
      });
    });

    it.each([
      ['no URL', 'GET', undefined],
      ['no method', undefined, '/studies'],
      ['a URL that is no path', 'GET', 'studies'],
    ])('refuses %s', async (_title, method, url) => {
      const mauth = createLambdaAuthenticator(optionsWith());
      const { headers } = await signed('/studies');
      const request = new LambdaAuthenticator(method as any, url as any, headers, null, mauth);
      await expect(request.isAuthentic()).resolves.toMatchObject({ status: 401 });
    });

    it('answers with the status of older clients where that is wanted', async () => {
      await service.stop();
      const mauth = createLambdaAuthenticator(optionsWith({ undecidedStatus: 500 }));
      const { headers } = await signed('/studies');
      await expect(ask(mauth, '/studies', headers).isAuthentic()).resolves.toMatchObject({ status: 500 });
    });
  });

  describe('whose options are wrong', () => {
    it('says so when it is called, and lets nobody in', async () => {
      const mauth = createLambdaAuthenticator(optionsWith({ appUuid: 'x' }));
      await expect(mauth.authenticateEvent({})).rejects.toThrow(MAuthConfigurationError);
      await expect(mauth.withMAuth(() => 'in')({}, {})).rejects.toThrow('APP_UUID');
    });

    it('says so at once when it is asked to', async () => {
      await expect(createLambdaAuthenticator(optionsWith({ mauthUrl: undefined })).ready()).rejects.toThrow(
        'MAUTH_URL',
      );
      await expect(createLambdaAuthenticator(optionsWith()).ready()).resolves.toBeUndefined();
    });

    it('starts with a later call when the key could not be decrypted before', async () => {
      let calls = 0;
      const decryptPrivateKey = async () => {
        if (++calls === 1) throw new Error('not now');
        return us.privateKeyPem;
      };
      const privateKey = Buffer.from('ciphertext').toString('base64');
      const mauth = createLambdaAuthenticator(optionsWith({ privateKey, decryptPrivateKey }));
      const event = httpApi.event(await signed('/prod/studies'));
      await expect(mauth.authenticateEvent(event)).rejects.toThrow(MAuthConfigurationError);
      await expect(mauth.authenticateEvent(event)).resolves.toMatchObject({ authentic: true });
      await expect(mauth.authenticateEvent(event)).resolves.toMatchObject({ authentic: true });
      expect(calls).toBe(2);
    });
  });
});
