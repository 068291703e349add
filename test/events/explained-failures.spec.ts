import { MAuthAuthenticator, MAuthSigner, type MAuthOptions } from '../../lib/core.js';
import { caller, service, PLATFORM_NAMES, startInboundApp } from '../support/inbound-app.js';
import { RecordingLogger } from '../support/running-app.js';
import { sendBytes, sendSigned, signatureOf } from '../support/signed-http.js';
import { createTestApp } from '../support/test-app.js';

const BODY = Buffer.from('{"name": "Hand-washing"}');
const JSON_TYPE = { 'content-type': 'application/json' };

/** Explanations come behind the answer. */
async function explained(logger: RecordingLogger): Promise<string[]> {
  for (let waited = 0; waited < 3000; waited += 10) {
    const lines = logger.lines
      .map(({ message }) => message)
      .filter((line) => line.includes('does not match:'));
    if (lines.length > 0) return lines;
    await new Promise((resolve) => setTimeout(resolve, 10));
  }
  return [];
}

function authenticatorWith(logger: RecordingLogger, options: Partial<MAuthOptions> = {}): MAuthAuthenticator {
  const { appUuid, privateKey } = service;
  const findPublicKey = () => caller.publicKey;
  return new MAuthAuthenticator({
    appUuid,
    privateKey,
    findPublicKey,
    logger,
    explainFailures: true,
    ...options,
  });
}

describe('explainFailures', () => {
  describe.each(PLATFORM_NAMES)('on %s', (platform) => {
    it.each(['routes', 'everything'] as const)('tells the cause in the log (%s)', async (protect) => {
      const app = await startInboundApp(platform, { gate: { protect }, options: { explainFailures: true } });
      try {
        const headers = {
          ...JSON_TYPE,
          ...(await signatureOf({ body: Buffer.from('{"name":"Hand-washing"}') })),
        };
        expect((await sendBytes({ port: app.port, body: BODY, headers, chunkSize: 7 })).status).toBe(401);
        const [line] = await explained(app.logger);
        expect(line).toBe(
          'MAuth: why the signature of POST /receive does not match: explained: body_json_rewritten. The JSON of the ' +
            'body was signed in another spelling than it arrived in. Sign the bytes that are sent; look for a layer ' +
            'that parses the body and writes it anew.',
        );
        app.logger.lines.length = 0;
        expect((await sendSigned({ port: app.port, body: BODY, headers: JSON_TYPE })).status).toBe(200);
        expect((await sendBytes({ port: app.port, body: BODY, headers: JSON_TYPE })).status).toBe(401);
        await new Promise((resolve) => setTimeout(resolve, 50));
        expect(app.logger.lines.filter(({ message }) => message.includes('does not match'))).toEqual([]);
      } finally {
        await app.close();
      }
    });
  });

  it('says when another key was used, and when nothing could be proven', async () => {
    const stranger = createTestApp();
    for (const [key, path, expected] of [
      [stranger.privateKey, '/studies', 'other_key: other_key. '],
      [caller.privateKey, '/nothing/alike?at=all', 'unexplained: no cause could be proven'],
    ] as const) {
      const logger = new RecordingLogger();
      const signer = new MAuthSigner({ appUuid: caller.appUuid, privateKey: key, signVersions: 'v2' });
      const headers = await signer.signRequest({ method: 'GET', url: path });
      await authenticatorWith(logger).authenticateRequest({
        method: 'GET',
        url: '/studies',
        headers,
        body: null,
      });
      expect((await explained(logger)).join()).toContain(
        `MAuth: why the signature of GET /studies does not match: ${expected}`,
      );
    }
  });

  it('does not name the clock where the time is accepted', async () => {
    const logger = new RecordingLogger();
    const signer = new MAuthSigner({ appUuid: caller.appUuid, privateKey: caller.privateKey });
    const time = Math.floor(Date.now() / 1000) - 600;
    const headers = await signer.signRequest({ method: 'GET', url: '/nothing/alike' }, { time });
    const authenticator = authenticatorWith(logger, { allowedDriftSeconds: 900 });
    await authenticator.authenticateRequest({ method: 'GET', url: '/studies', headers, body: null });
    expect((await explained(logger)).join()).toMatch(
      /does not match: unexplained: no cause could be proven$/,
    );
  });

  it('lets others have their turn between two explanations', async () => {
    const logger = new RecordingLogger();
    const authenticator = authenticatorWith(logger);
    const headers = await signatureOf({ path: '/other' });
    const request = { method: 'POST', url: '/receive', headers, body: null };
    const told = () => logger.lines.filter(({ message }) => message.includes('does not match:')).length;
    await Promise.all(Array.from({ length: 4 }, () => authenticator.authenticateRequest(request)));
    const seen = new Set<number>();
    while (told() < 4) {
      await new Promise((resolve) => setImmediate(resolve));
      seen.add(told());
    }
    expect([...seen].filter((count) => count > 0)).toEqual([1, 2, 3, 4]);
  }, 30_000);

  it('does without a body of more than 1 MiB, and says so', async () => {
    const logger = new RecordingLogger();
    const body = Buffer.alloc(1024 * 1024 + 1, 'x');
    const headers = await signatureOf({ body, path: '/other' });
    await authenticatorWith(logger).authenticateRequest({ method: 'POST', url: '/receive', headers, body });
    expect(await explained(logger)).toEqual([
      'MAuth: why the signature of POST /receive does not match: its body has more than 1 MiB, so it was not kept',
    ]);
  });

  it('says when too many are waiting', async () => {
    const logger = new RecordingLogger();
    const authenticator = authenticatorWith(logger);
    const headers = await signatureOf({ path: '/other' });
    const request = { method: 'POST', url: '/receive', headers, body: null };
    await Promise.all(Array.from({ length: 20 }, () => authenticator.authenticateRequest(request)));
    for (let waited = 0; waited < 20_000; waited += 20) {
      if (logger.lines.filter(({ message }) => message.includes('does not match:')).length === 20) break;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    const lines = logger.lines
      .map(({ message }) => message)
      .filter((line) => line.includes('does not match:'));
    expect(lines).toHaveLength(20);
    expect(lines.filter((line) => line.endsWith('too many others are waiting to be explained'))).toHaveLength(
      4,
    );
  }, 30_000);

  describe('where NODE_ENV is production', () => {
    const before = process.env.NODE_ENV;
    beforeEach(() => (process.env.NODE_ENV = 'production'));
    afterEach(() => (process.env.NODE_ENV = before));

    it('is refused unless it is forced', () => {
      expect(() => authenticatorWith(new RecordingLogger())).toThrow(
        'MAuth option `explainFailures` is for development, and NODE_ENV is production; leave it out, or set it to force.',
      );
      authenticatorWith(new RecordingLogger(), { explainFailures: 'force' });
      authenticatorWith(new RecordingLogger(), { explainFailures: false });
    });
  });
});
