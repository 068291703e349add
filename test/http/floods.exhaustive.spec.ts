import { randomUUID } from 'node:crypto';
import { Agent } from 'node:http';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { caller, PLATFORM_NAMES, service, startInboundApp, type InboundApp } from '../support/inbound-app.js';
import { sendBytes, signatureOf } from '../support/signed-http.js';

/** Slots for apps that nobody knows yet, and requests that a flood keeps under way. */
const [SLOTS, WIDTH] = [4, 100];

describe.each(PLATFORM_NAMES)('While requests under made-up UUIDs flood an application on %s', (platform) => {
  let mauth: MAuthServiceStandIn;
  let app: InboundApp;
  let agent: Agent;
  let isFlooding: boolean;
  let flood: Promise<unknown>;
  const statuses = new Map<number, number>();

  beforeEach(async () => {
    mauth = await MAuthServiceStandIn.start({ apps: [service, caller] });
    mauth.latency(40);
    app = await startInboundApp(platform, {
      options: {
        mauthUrl: mauth.url,
        findPublicKey: undefined,
        service: { maxOpenFetches: SLOTS + 1, deadlineMs: 2000 },
      },
    });
    const headers = await signatureOf({ method: 'GET' });
    const madeUp = () => ({
      ...headers,
      'MCC-Authentication': headers['MCC-Authentication']?.replace(caller.appUuid, randomUUID()) ?? '',
    });
    agent = new Agent({ keepAlive: true });
    isFlooding = true;
    statuses.clear();
    const keepAsking = async () => {
      while (isFlooding) {
        const { status } = await sendBytes({ port: app.port, method: 'GET', headers: madeUp(), agent });
        statuses.set(status, (statuses.get(status) ?? 0) + 1);
      }
    };
    flood = Promise.all(Array.from({ length: WIDTH }, keepAsking));
    while ((statuses.get(503) ?? 0) < WIDTH) await new Promise((resolve) => setTimeout(resolve, 20));
  });
  afterEach(async () => {
    isFlooding = false;
    await flood;
    agent.destroy();
    await app.close();
    await mauth.stop();
  });

  it('apps that call for the first time are let in at the third try at the latest, five of five', async () => {
    const tries = await Promise.all(
      Array.from({ length: 5 }, async () => {
        const newcomer = { ...caller, appUuid: randomUUID() };
        mauth.register(newcomer);
        const headers = await signatureOf({ method: 'GET' }, 'v2', newcomer);
        const send = () => sendBytes({ port: app.port, method: 'GET', headers });
        let [answer, count] = [await send(), 1];
        for (; answer.status === 503 && count < 4; count++) {
          await new Promise((resolve) => setTimeout(resolve, 300));
          answer = await send();
        }
        expect([200, 503]).toContain(answer.status);
        return count;
      }),
    );
    console.info(
      `${platform}: let in at try ${tries.join(', ')}; the flood got ${JSON.stringify([...statuses])}`,
    );
    expect(Math.max(...tries)).toBeLessThanOrEqual(3);
    expect([...statuses.keys()].sort()).toEqual([401, 503]);
    expect(mauth.mostOpen).toBeLessThanOrEqual(SLOTS + 1);
  });
});
