import { randomUUID } from 'node:crypto';
import { type MAuthOptions } from '../../lib/config/options.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { caller, PLATFORM_NAMES, service, startInboundApp, type InboundApp } from '../support/inbound-app.js';
import { sendBytes, sendSigned, signatureOf, type HttpAnswer } from '../support/signed-http.js';
import { createTestApp } from '../support/test-app.js';

/** What is registered under our UUID: a key that is not ours. */
const registered = createTestApp(service.appUuid);
const UNDECIDED = '{"errors":{"mauth":["Could not determine request authenticity"]}}';

describe.each(PLATFORM_NAMES)('An app that the MAuth service refuses, on %s', (platform) => {
  describe.each(['local', 'remote'] as const)('in %s mode', (mode) => {
    let mauth: MAuthServiceStandIn;
    let app: InboundApp;

    const start = async (options: Partial<MAuthOptions> = {}) => {
      app = await startInboundApp(platform, {
        options: { mode, mauthUrl: mauth.url, findPublicKey: undefined, ...options },
      });
    };

    /** A request under a UUID of its own. */
    const ask = async (): Promise<HttpAnswer> => {
      const stranger = { ...caller, appUuid: randomUUID() };
      return sendBytes({ port: app.port, headers: await signatureOf({}, 'v2', stranger) });
    };
    const errors = () => app.logger.lines.filter(({ level }) => level === 'error');
    const asked = () => mauth.fetches() + mauth.tickets;

    beforeEach(async () => {
      mauth = await MAuthServiceStandIn.start({ apps: [caller, registered] });
    });
    afterEach(async () => {
      await app.close();
      await mauth.stop();
    });

    it('answers 503, and one line in the log names its UUID and what to check', async () => {
      await start();
      for (let time = 0; time < 3; time++) {
        const answer = await sendSigned({ port: app.port });
        expect([answer.status, answer.text]).toEqual([503, UNDECIDED]);
      }
      expect(mauth.refusals[0]).toBe('signature does not match');
      expect(app.codes().filter(Boolean)).toEqual(Array(3).fill('own_app_refused'));
      const messages = errors().map(({ message }) => message);
      expect(messages).toEqual([
        expect.stringMatching(/\b401\b.*\bAPP_UUID\b.*private key.*\bregistered\b.*\bclock\b/),
      ]);
      expect(messages[0]).toContain(service.appUuid);
      expect(messages[0]).toContain(mauth.url);
      expect(app.deliveries).toEqual([]);
    });

    it('leaves the service alone for a while, and is served soon after it was registered', async () => {
      await start({ keys: { cooldownSeconds: 1 } });
      const begun = performance.now();
      for (let time = 0; time < 20; time++) expect((await ask()).status).toBe(503);
      // Three apps, none of them asked about twice within a second, which is jittered, and which may pass meanwhile.
      const cooldowns = Math.floor((performance.now() - begun) / 500);
      expect(asked()).toBeGreaterThanOrEqual(3);
      expect(asked()).toBeLessThanOrEqual(3 + cooldowns);
      expect(new Set(app.codes().filter(Boolean))).toEqual(new Set(['own_app_refused']));
      mauth.register(service);
      const registeredAt = performance.now();
      while ((await sendSigned({ port: app.port })).status !== 200)
        await new Promise((resolve) => setTimeout(resolve, 50));
      expect(performance.now() - registeredAt).toBeLessThan(5000);
    });
  });
});
