import { Agent } from 'node:http';
import { HeldBytesBudget } from '../../lib/http/held-bytes.js';
import { type RouteLimits } from '../../lib/http/incoming-requests.js';
import { APPLICATIONS, takeEveryType } from '../support/applications.js';
import { bytes } from '../support/body-kinds.js';
import { caller, PLATFORM_NAMES, startInboundApp, type ServedApp } from '../support/inbound-app.js';
import { RawConnection } from '../support/raw-connection.js';
import { sendBytes, sendSigned, signatureOf } from '../support/signed-http.js';
import { type StandaloneOptions } from '../support/standalone-app.js';

const OCTETS = { 'content-type': 'application/octet-stream' };
const JSON_TYPE = { 'content-type': 'application/json' };

describe.each(APPLICATIONS)('Limits of bodies for %s', (name, { parsesFirst, start: startApp }) => {
  let running: ServedApp | undefined;
  const agents: Agent[] = [];
  const connections: RawConnection[] = [];

  async function start(options: StandaloneOptions = {}): Promise<ServedApp> {
    running = await startApp({ takesEveryType: true, ...options });
    return running;
  }

  function oneConnection(): Agent {
    const agent = new Agent({ keepAlive: true, maxSockets: 1 });
    agents.push(agent);
    return agent;
  }

  async function connected(port: number): Promise<RawConnection> {
    const connection = await RawConnection.open(port);
    connections.push(connection);
    return connection;
  }

  afterEach(async () => {
    agents.splice(0).forEach((agent) => agent.destroy());
    connections.splice(0).forEach((connection) => connection.destroy());
    await running?.close();
    running = undefined;
    // Whatever a test did, no byte counts as held afterwards.
    await eventually(() => expect(HeldBytesBudget.held).toBe(0));
  });

  describe('a body that is too large', () => {
    const limited: StandaloneOptions = { options: { body: { maxHeldBytes: 1000 } } };

    it.each([
      ['announced and just above the limit', 1001, undefined],
      ['announced and far above the limit', 3_000_000, undefined],
      ['in chunks and just above the limit', 1001, 100],
      ['in chunks and far above the limit', 3_000_000, 50_000],
    ])(
      'is answered 413 when %s, and the connection carries the next request',
      async (_, length, chunkSize) => {
        const app = await start(limited);
        const { port, deliveries } = app;
        const agent = oneConnection();
        const first = await sendSigned({ port, agent, headers: OCTETS, body: bytes(length), chunkSize });
        const second = await sendSigned({ port, agent, headers: OCTETS, body: bytes(1000), chunkSize });
        expect(first.status).toBe(413);
        expect(second.status).toBe(200);
        expect(second.localPort).toBe(first.localPort);
        expect(deliveries).toHaveLength(1);
        expect(app.codes()).toContain('body_too_large');
      },
    );

    it('is no concern of ours when the platform has parsed it', async () => {
      const { port } = await start(limited);
      const body = Buffer.from(JSON.stringify({ long: 'x'.repeat(5000) }));
      expect((await sendSigned({ port, headers: JSON_TYPE, body })).status).toBe(parsesFirst ? 200 : 413);
    });

    it('is answered 413 when the MAuth service is to verify it, because it is kept for that', async () => {
      const app = await start({
        options: { body: { maxHeldBytes: 1000 }, mode: 'remote', mauthUrl: 'http://127.0.0.1:9' },
      });
      const { port } = app;
      const body = Buffer.from(JSON.stringify({ long: 'x'.repeat(5000) }));
      expect((await sendSigned({ port, headers: JSON_TYPE, body })).status).toBe(413);
      expect((await sendSigned({ port, headers: OCTETS, body })).status).toBe(413);
      expect(app.codes()).toEqual(['body_too_large', 'body_too_large']);
    });
  });

  describe('the budget of the process', () => {
    it('answers 503 when it is used up, and works again when it is free', async () => {
      const app = await start({ options: { body: { maxHeldBytesTotal: 10_000 } } });
      const { port } = app;
      const body = bytes(9000);
      const slow = await connected(port);
      await slow.writeHead('POST /receive', {
        ...OCTETS,
        ...(await signatureOf({ body })),
        'content-length': 9000,
      });
      await slow.write(body.subarray(0, 8000));
      await eventually(() => expect(HeldBytesBudget.held).toBe(8000));

      const agent = oneConnection();
      const refused = await sendSigned({ port, agent, headers: OCTETS, body });
      expect(refused.status).toBe(503);
      expect(app.codes()).toEqual(['body_budget_full']);
      expect(HeldBytesBudget.held).toBe(8000);

      await slow.write(body.subarray(8000));
      expect((await slow.answer())?.status).toBe(200);
      const accepted = await sendSigned({ port, agent, headers: OCTETS, body });
      expect(accepted.status).toBe(200);
      expect(accepted.localPort).toBe(refused.localPort);
    });

    it('counts a verified body until its handler has read it or the answer is out', async () => {
      const { port } = await start();
      const agent = oneConnection();
      for (let i = 0; i < 3; i++) {
        const answer = await sendSigned({
          port,
          agent,
          path: '/ignore',
          headers: OCTETS,
          body: bytes(200_000),
        });
        expect(answer.status).toBe(200);
        await eventually(() => expect(HeldBytesBudget.held).toBe(0));
      }
    });

    it('counts bodies that are kept for the MAuth service', async () => {
      const app = await start({
        options: { body: { maxHeldBytesTotal: 1000 }, mode: 'remote', mauthUrl: 'http://127.0.0.1:9' },
      });
      const { port } = app;
      const body = Buffer.from(JSON.stringify({ long: 'x'.repeat(2000) }));
      expect((await sendSigned({ port, headers: JSON_TYPE, body })).status).toBe(503);
      expect(app.codes()).toEqual(['body_budget_full']);
    });
  });

  describe('a body that does not come', () => {
    const impatient: StandaloneOptions = { options: { body: { timeoutMs: 150 } } };

    it.each([
      ['nobody has read', OCTETS],
      ['the platform is parsing', JSON_TYPE],
    ])('is answered 408 when %s it, and the connection is closed', async (_, type) => {
      const { port, deliveries, logger } = await start(impatient);
      const body = Buffer.from('{"a":1}');
      const connection = await connected(port);
      await connection.writeHead('POST /receive', {
        ...type,
        ...(await signatureOf({ body })),
        'content-length': 7,
      });
      await connection.write(body.subarray(0, 3));
      const answer = await connection.answer();
      expect(answer?.status).toBe(408);
      expect(answer?.headers.connection).toBe('close');
      await connection.closed();
      expect(deliveries).toEqual([]);
      expect(logger.lines.map(({ message }) => message)).toEqual([
        `MAuth: POST /receive from app ${caller.appUuid} could not be authenticated (body_timeout)`,
      ]);
    });

    it('does not end an upload that nobody is to verify', async () => {
      const path = name.startsWith('a guard') ? '/open' : '/app_status';
      const { port } = await start(impatient);
      const body = bytes(10);
      const connection = await connected(port);
      await connection.writeHead(`POST ${path}`, {
        ...OCTETS,
        ...(await signatureOf({ path, body })),
        'content-length': 10,
      });
      await connection.write(body.subarray(0, 3));
      await new Promise((resolve) => setTimeout(resolve, 400));
      await connection.write(body.subarray(3));
      expect((await connection.answer())?.status).toBe(200);
    });

    it('is not read away for ever after a refusal', async () => {
      const { port } = await start(impatient);
      const connection = await connected(port);
      const signature = await signatureOf({ body: bytes(10) });
      await connection.writeHead('POST /receive', { ...OCTETS, ...signature, 'content-length': 99_000_000 });
      expect((await connection.answer())?.status).toBe(413);
      await connection.closed();
    });
  });

  describe('a caller that goes away', () => {
    it.each([
      ['in the middle of a held body', OCTETS, 'body_aborted'],
      ['while the platform is parsing', JSON_TYPE, undefined],
    ])('%s leaves nothing behind', async (_, type, codeWhenParsing) => {
      const app = await start();
      const { port, deliveries } = app;
      const code = parsesFirst ? codeWhenParsing : 'body_aborted';
      const body = bytes(100_000);
      const connection = await connected(port);
      await connection.writeHead('POST /receive', {
        ...type,
        ...(await signatureOf({ body })),
        'content-length': 100_000,
      });
      await connection.write(body.subarray(0, 70_000));
      if (code) await eventually(() => expect(HeldBytesBudget.held).toBeGreaterThan(0));
      connection.destroy();
      await eventually(() => expect(HeldBytesBudget.held).toBe(0));
      await eventually(() => expect(app.codes()).toEqual(code ? [code] : []));
      expect(deliveries).toEqual([]);
      expect((await sendSigned({ port, headers: OCTETS, body })).status).toBe(200);
    });
  });

  describe('a caller that goes away while its key is looked up', () => {
    it.each([
      ['with all of its body sent', OCTETS, bytes(1000), 1000],
      ['with a part of its body sent', OCTETS, bytes(1000), 2000],
      ['with all of its body sent and parsed', JSON_TYPE, Buffer.from('{"a":1}'), 7],
    ])('%s leaves nothing behind', async (_, type, body, announced) => {
      let isAsked = false;
      const findPublicKey = async () => {
        isAsked = true;
        await new Promise((resolve) => setTimeout(resolve, 400));
        return caller.publicKey;
      };
      const app = await start({ options: { findPublicKey } });
      const { port, deliveries } = app;
      const connection = await connected(port);
      const signature = await signatureOf({ path: '/ignore', body });
      await connection.writeHead('POST /ignore', { ...type, ...signature, 'content-length': announced });
      await connection.write(body);
      await eventually(() => expect(isAsked).toBe(true));
      await new Promise((resolve) => setTimeout(resolve, 100)); // for what was sent to come in
      connection.destroy();
      await eventually(() => expect(app.codes()).toEqual(['body_aborted']));
      expect(deliveries).toEqual([]);
    });
  });

  describe('after a refusal', () => {
    it.each([
      ['that was held', 100_000],
      ['that was in the stream already', 10],
    ])('the stream of a body %s ends, for those who wait for that', async (_, length) => {
      let ended = 0;
      const { port } = await start({ look: (request) => request.once('end', () => ended++) });
      const signature = await signatureOf({ body: bytes(length + 1) });
      const refused = await sendBytes({ port, body: bytes(length), headers: { ...OCTETS, ...signature } });
      expect(refused.status).toBe(401);
      await eventually(() => expect(ended).toBe(1));
    });

    it.each([
      ['an early one', { 'mcc-time': '1' }],
      ['an unknown app', 'unknown'],
      ['a bad signature', {}],
    ] as const)('(%s) the connection carries the next request', async (_, change) => {
      const { port, deliveries } = await start();
      const agent = oneConnection();
      for (const length of [10, 100_000, 2_000_000]) {
        const body = bytes(length);
        const signature = await signatureOf({ body: bytes(length + 1) });
        const forged =
          change === 'unknown'
            ? { 'mcc-authentication': signature['MCC-Authentication'].replace(/[0-9a-f]{8}/, '00000000') }
            : change;
        const lower = Object.fromEntries(Object.entries(signature).map(([k, v]) => [k.toLowerCase(), v]));
        const refused = await sendBytes({ port, agent, body, headers: { ...OCTETS, ...lower, ...forged } });
        const accepted = await sendSigned({ port, agent, body, headers: OCTETS });
        expect([refused.status, accepted.status]).toEqual([401, 200]);
      }
      expect(deliveries).toHaveLength(3);
    });
  });
});

describe.each(PLATFORM_NAMES)('The limit of a route on %s', (platform) => {
  let running: ServedApp | undefined;
  afterEach(() => running?.close());

  async function start(limits: RouteLimits): Promise<ServedApp> {
    const options = { body: { maxHeldBytes: 1000 } };
    running = await startInboundApp(platform, { limits, options, prepare: takeEveryType });
    return running;
  }

  it('counts for what nobody has read, and for what the platform has parsed', async () => {
    const { port, deliveries } = await start({ maxBodyBytes: 20 });
    const body = Buffer.from(JSON.stringify({ long: 'x'.repeat(30) }));
    expect((await sendSigned({ port, headers: JSON_TYPE, body })).status).toBe(413);
    expect((await sendSigned({ port, headers: OCTETS, body })).status).toBe(413);
    expect((await sendSigned({ port, headers: JSON_TYPE, body: Buffer.from('{"a":1}') })).status).toBe(200);
    expect(deliveries).toHaveLength(1);
  });

  it('may lie above that of the application', async () => {
    const { port } = await start({ maxBodyBytes: 100_000 });
    expect((await sendSigned({ port, headers: OCTETS, body: bytes(100_000) })).status).toBe(200);
    expect((await sendSigned({ port, headers: OCTETS, body: bytes(100_001) })).status).toBe(413);
  });
});

async function eventually(check: () => void): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      return check();
    } catch (error) {
      if (attempt === 100) throw error;
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }
}
