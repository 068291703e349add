import { MAuthSigner } from '../../lib/core.js';
import { authenticateEvent, LambdaAuthenticator, withMAuth } from '../../lib/lambda/index.js';
import { KmsStandIn, provideAwsEnvironment } from '../kms/kms-stand-in.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { createTestApp } from '../support/test-app.js';
import { httpApi } from './gateway-events.js';

const us = createTestApp();
const caller = createTestApp();
const NAMES = [
  'APP_UUID',
  'PRIVATE_KEY',
  'MAUTH_URL',
  'V2_ONLY_AUTHENTICATE',
  'AWS_ENDPOINT_URL_KMS',
] as const;

describe('a function that is configured as for the Python client', () => {
  let service: MAuthServiceStandIn;
  let kms: KmsStandIn;
  let takeBack: () => void;

  beforeAll(async () => {
    service = await MAuthServiceStandIn.start({ apps: [us, caller] });
    kms = await KmsStandIn.start();
    takeBack = provideAwsEnvironment();
    jest.spyOn(console, 'log').mockImplementation();
    jest.spyOn(console, 'warn').mockImplementation();
    Object.assign(process.env, {
      APP_UUID: us.appUuid,
      // As the Python client has it: PKCS#1, with spaces for line ends, encrypted, in base64.
      PRIVATE_KEY: kms.encrypt(
        us.privateKey.export({ format: 'pem', type: 'pkcs1' }).toString().trim().replaceAll('\n', ' '),
      ),
      MAUTH_URL: service.url,
      V2_ONLY_AUTHENTICATE: 'true',
      AWS_ENDPOINT_URL_KMS: kms.url,
    });
  });
  afterAll(async () => {
    jest.restoreAllMocks();
    takeBack();
    for (const name of NAMES) delete process.env[name];
    await kms.close();
    await service.stop();
  });

  async function signed(target: string, signVersions = 'v2') {
    const signer = new MAuthSigner({ appUuid: caller.appUuid, privateKey: caller.privateKey, signVersions });
    return { method: 'GET', target, headers: await signer.signRequest({ method: 'GET', url: target }) };
  }

  it('authenticates requests, decrypts its key once, and asks for the public key once', async () => {
    const { method, target, headers } = await signed('/prod/studies?page=1');
    const request = new LambdaAuthenticator(method, target, headers, null);
    const { authentic, status, message } = await request.isAuthentic();
    expect({ authentic, status, message }).toEqual({ authentic: true, status: 200, message: '' });
    expect(request.getAppUuid()).toBe(caller.appUuid);

    const event = httpApi.event({ method, target, headers });
    await expect(authenticateEvent(event)).resolves.toMatchObject({ authentic: true });

    const handler = withMAuth((_event: unknown, _context: unknown, { appUuid }) => {
      return { statusCode: 200, body: `Hello, ${appUuid}` };
    });
    await expect(handler(event, {})).resolves.toEqual({
      statusCode: 200,
      body: `Hello, ${caller.appUuid}`,
    });
    expect(kms.requests).toBe(1);
    expect(service.fetches()).toBe(1);
    expect(service.refusals).toEqual([]);
  });

  it('obeys the other variables', async () => {
    const { method, target, headers } = await signed('/studies', 'v1');
    await expect(new LambdaAuthenticator(method, target, headers, null).isAuthentic()).resolves.toMatchObject(
      { status: 401, message: expect.stringContaining('requires mAuth v2') },
    );
  });
});
