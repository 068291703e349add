import { type IncomingMessage } from 'node:http';
import { type INestApplication } from '@nestjs/common';
import { HeldBytesBudget } from '../../lib/http/held-bytes.js';
import { APPLICATIONS, takeEveryType } from '../support/applications.js';
import { bytes } from '../support/body-kinds.js';
import { caller, PLATFORM_NAMES, service, startInboundApp, type ServedApp } from '../support/inbound-app.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { RawConnection } from '../support/raw-connection.js';
import { sendSigned, signatureOf, type HttpAnswer } from '../support/signed-http.js';

const OCTETS = { 'content-type': 'application/octet-stream' };
const JSON_TYPE = { 'content-type': 'application/json' };
const BUDGET = 1_000_000;
const ATTACKERS = 35;
/** They use up the budget together, the last of them excepted. */
const SHARE = Math.ceil(BUDGET / (ATTACKERS - 1)) + 1;

describe.each(APPLICATIONS)('Bodies that withhold their last byte from %s', (_, { start }) => {
  const connections: RawConnection[] = [];
  let mauth: MAuthServiceStandIn | undefined;
  let app: ServedApp;

  async function startWith(mode: 'local' | 'remote' = 'local'): Promise<void> {
    if (mode === 'remote') mauth = await MAuthServiceStandIn.start({ apps: [caller, service] });
    const remote = mauth && { mode, mauthUrl: mauth.url, findPublicKey: undefined };
    const body = { maxHeldBytesTotal: BUDGET, timeoutMs: 300_000 };
    app = await start({ takesEveryType: true, options: { body, ...remote } });
  }

  afterEach(async () => {
    connections.splice(0).forEach((connection) => connection.destroy());
    await app.close();
    await mauth?.stop();
    mauth = undefined;
    while (HeldBytesBudget.held > 0) await new Promise((resolve) => setTimeout(resolve, 10));
  });

  /** A body of which only a part is sent. */
  async function begin(
    type: object,
    body: Uint8Array,
    length: number,
    signed = body,
  ): Promise<RawConnection> {
    const connection = await RawConnection.open(app.port);
    connections.push(connection);
    const signature = await signatureOf({ body: signed });
    await connection.writeHead('POST /receive', { ...type, ...signature, 'content-length': body.length });
    await connection.write(body.subarray(0, length));
    return connection;
  }

  /** Under the UUID of a registered app, with signatures that are of something else. */
  async function attack(type: object): Promise<RawConnection[]> {
    const body = bytes(SHARE);
    const attackers = [];
    for (let i = 0; i < ATTACKERS; i++) attackers.push(await begin(type, body, SHARE - 1, bytes(1)));
    while (HeldBytesBudget.held < BUDGET - SHARE) await new Promise((resolve) => setTimeout(resolve, 10));
    return attackers;
  }

  /** As callers do who are told to come again. */
  async function sendUntilAccepted(body: Buffer, headers: Record<string, string>): Promise<HttpAnswer> {
    for (;;) {
      const answer = await sendSigned({ port: app.port, headers, body });
      if (answer.status !== 503) return answer;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }

  it('make room for an upload that comes after a second or more, and no more of them than it needs', async () => {
    await startWith();
    const attackers = await attack(OCTETS);
    expect((await sendUntilAccepted(bytes(5 * SHARE), OCTETS)).status).toBe(200);
    expect(app.deliveries).toHaveLength(1);

    for (const attacker of attackers) await attacker.write(Buffer.alloc(1));
    const answers = await Promise.all(attackers.map((attacker) => attacker.answer()));
    // The upload is as large as five of them, and two had no room from the start.
    const count = (status: number) => answers.filter((answer) => answer?.status === status).length;
    expect([count(503), count(401)]).toEqual([7, ATTACKERS - 7]);
    expect(new Set(app.codes())).toEqual(new Set(['body_budget_full', 'signature_mismatch']));
  });

  it('do so before a body that came earlier and goes on, however slowly', async () => {
    await startWith();
    const body = bytes(1000);
    const slow = await begin(OCTETS, body, 1);
    let sent = 1;
    const trickle = setInterval(() => void slow.write(body.subarray(sent, ++sent)), 200);
    await attack(OCTETS);
    for (let i = 0; i < 3; i++) {
      expect((await sendUntilAccepted(bytes(10 * SHARE), OCTETS)).status).toBe(200);
    }
    clearInterval(trickle);
    await slow.write(body.subarray(sent));
    expect((await slow.answer())?.status).toBe(200);
  });

  it('make room when they are kept for the MAuth service, too', async () => {
    await startWith('remote');
    await attack(JSON_TYPE);
    const body = Buffer.from(JSON.stringify({ long: 'x'.repeat(3 * SHARE) }));
    expect((await sendUntilAccepted(body, JSON_TYPE)).status).toBe(200);
    expect(app.deliveries).toHaveLength(1);
  });
});

describe.each(PLATFORM_NAMES)('A body that the application does not read yet, on %s', (platform) => {
  it('has not stalled, however long its sender has to wait', async () => {
    const mauth = await MAuthServiceStandIn.start({ apps: [caller, service] });
    let goOn!: () => void;
    const mayGoOn = new Promise<void>((resolve) => (goOn = resolve));
    const app = await startInboundApp(platform, {
      options: {
        mode: 'remote',
        mauthUrl: mauth.url,
        findPublicKey: undefined,
        body: { maxHeldBytesTotal: BUDGET },
      },
      prepare: (nest: INestApplication) => {
        takeEveryType(nest);
        nest.use((request: IncomingMessage, _response: unknown, next: () => void) => {
          if (request.url?.endsWith('?late')) void mayGoOn.then(next);
          else next();
        });
      },
    });
    const [late, stalled] = await Promise.all([RawConnection.open(app.port), RawConnection.open(app.port)]);
    const body = bytes(300_000);
    const path = '/receive?late';
    await late.writeHead(`POST ${path}`, {
      ...OCTETS,
      ...(await signatureOf({ path, body })),
      'content-length': body.length,
    });
    void late.write(body);
    while (HeldBytesBudget.held === 0) await new Promise((resolve) => setTimeout(resolve, 10));
    await stalled.writeHead('POST /receive', {
      ...OCTETS,
      ...(await signatureOf({ body: bytes(1) })),
      'content-length': BUDGET / 2,
    });
    await stalled.write(bytes(BUDGET / 2 - 1));
    while (HeldBytesBudget.held < BUDGET / 2) await new Promise((resolve) => setTimeout(resolve, 10));

    const send = async (length: number) =>
      (await sendSigned({ port: app.port, headers: OCTETS, body: bytes(length) })).status;
    // When one has stalled, so would the other have, for it came earlier.
    while ((await send(0.6 * BUDGET)) !== 200) await new Promise((resolve) => setTimeout(resolve, 100));
    expect((await stalled.answer())?.status).toBe(503);
    expect(await send(0.99 * BUDGET)).toBe(503);
    goOn();
    expect((await late.answer())?.status).toBe(200);
    expect(app.deliveries.at(-1)?.streamed?.length).toBe(body.length);
    for (const connection of [late, stalled]) connection.destroy();
    await app.close();
    await mauth.stop();
  });
});
