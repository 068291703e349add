import axios from 'axios';
import { MAuthAuthenticator, MAuthSigner, signedFetch } from '../../lib/core.js';
import { MAuthAxiosInterceptor } from '../../lib/outbound/axios/sign-axios.js';
import { createTestApp } from '../support/test-app.js';
import { mauthHeaders, RecordingServer } from './recording-server.js';

const app = createTestApp();
const server = new RecordingServer(app);
const elsewhere = new RecordingServer(app);
const signer = new MAuthSigner({ appUuid: app.appUuid, privateKey: app.privateKey, signVersions: 'v1,v2' });
const authenticator = new MAuthAuthenticator({
  appUuid: app.appUuid,
  findPublicKey: () => app.publicKeyPem,
  logger: { log: () => undefined, warn: () => undefined, error: () => undefined },
});

beforeAll(() => Promise.all([server.start(), elsewhere.start()]));
afterAll(() => Promise.all([server.stop(), elsewhere.stop()]));

async function polluted<T>(name: string, value: unknown, work: () => Promise<T>): Promise<T> {
  Object.defineProperty(Object.prototype, name, {
    value,
    configurable: true,
    writable: true,
    enumerable: true,
  });
  try {
    return await work();
  } finally {
    Reflect.deleteProperty(Object.prototype, name);
  }
}

describe('What stands on Object.prototype', () => {
  it.each<[string, unknown]>([
    ['signedOrigins', ['http://elsewhere.example']],
    ['mauth', { authenticateResponse: false }],
    ['maxStreamBytes', 0],
    ['authenticateResponses', false],
    [
      'authenticator',
      { authenticateResponse: () => ({ authentic: true, appUuid: app.appUuid, protocolVersion: 2 }) },
    ],
  ])('does not keep requests from being signed: %s', async (name, value) => {
    server.reset();
    await polluted(name, value, async () => {
      const client = axios.create();
      MAuthAxiosInterceptor.attach(client, signer);
      await client.post(`${server.origin}/studies`, Buffer.from('x'));
      await signedFetch(fetch, signer)(`${server.origin}/studies`, { method: 'POST', body: 'x' });
    });
    expect(server.requests.map(({ v1, v2 }) => [v1.authentic, v2.authentic])).toEqual([
      [true, true],
      [true, true],
    ]);
  });

  it.each<[string, unknown]>([
    ['mauth', { authenticateResponse: false }],
    ['authenticateResponse', false],
    ['authenticateResponses', false],
    ['expectAppUuid', app.appUuid],
  ])('lets no unsigned response pass: %s', async (name, value) => {
    const options = { authenticator, authenticateResponses: true };
    await expect(
      polluted(name, value, async () => {
        const client = axios.create();
        MAuthAxiosInterceptor.attach(client, signer, options);
        return client.get(`${server.origin}/studies`, { mauth: { authenticateResponse: true } } as never);
      }),
    ).rejects.toMatchObject({ name: 'MAuthInauthenticError' });
    await expect(
      polluted(name, value, async () => {
        const client = axios.create();
        MAuthAxiosInterceptor.attach(client, signer, options);
        return client.get(`${server.origin}/studies`);
      }),
    ).rejects.toMatchObject({ name: 'MAuthInauthenticError' });
  });

  it('sends no signature to an origin that is not named', async () => {
    elsewhere.reset();
    const signedOrigins = [server.origin];
    await polluted('signedOrigins', [elsewhere.origin], async () => {
      const client = axios.create();
      MAuthAxiosInterceptor.attach(client, signer, { signedOrigins });
      await client.get(`${elsewhere.origin}/studies`);
      await signedFetch(fetch, signer, { signedOrigins })(`${elsewhere.origin}/studies`);
    });
    expect(elsewhere.requests.map(mauthHeaders)).toEqual([[], []]);
  });
});
