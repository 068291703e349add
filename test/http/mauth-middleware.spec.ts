import crypto from 'node:crypto';
import { createServer, type IncomingMessage, type RequestListener, type Server } from 'node:http';
import { type AddressInfo } from 'node:net';
import express from 'express';
import {
  getMAuthIdentity,
  MAuthConfigurationError,
  mauthMiddleware,
  type MAuthGateMiddleware,
  type MAuthGateOptions,
} from '../../lib/core.js';
import { BODY_KINDS, bytes } from '../support/body-kinds.js';
import { caller, optionsFor, readAll, service, startInboundApp, Witness } from '../support/inbound-app.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { sendBytes, sendSigned, signatureOf } from '../support/signed-http.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const BODY = Buffer.from('{"a":1}');

const fails = () => {
  throw new Error('failed');
};

describe('mauthMiddleware', () => {
  let witness: Witness;
  const servers: Server[] = [];
  const gates: MAuthGateMiddleware[] = [];

  beforeEach(() => (witness = new Witness()));
  afterEach(async () => {
    jest.restoreAllMocks();
    gates.splice(0).forEach((gate) => gate.close());
    for (const server of servers.splice(0)) {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
    }
  });

  function middleware(options: Partial<MAuthGateOptions> = {}): MAuthGateMiddleware {
    const gate = mauthMiddleware({ ...optionsFor(witness), ...options });
    gates.push(gate);
    return gate;
  }

  async function listen(listener: RequestListener): Promise<number> {
    const server = createServer(listener);
    servers.push(server);
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
    return (server.address() as AddressInfo).port;
  }

  /** Answers with what a handler can know. */
  const handler: express.RequestHandler = (request, response) => {
    witness.callers.push(getMAuthIdentity(request));
    response.json({ caller: getMAuthIdentity(request), body: request.body as unknown });
  };

  it('shows the caller to handlers, and the body to parsers behind it', async () => {
    const app = express().use(middleware()).use(express.json()).post('/receive', handler);
    const port = await listen(app);
    for (const version of ['v1', 'v2'] as const) {
      const answer = await sendSigned({ port, body: BODY, headers: JSON_TYPE }, version);
      expect(JSON.parse(answer.text)).toEqual({
        caller: { appUuid: caller.appUuid, protocolVersion: Number(version[1]) },
        body: { a: 1 },
      });
    }
  });

  it('answers and logs as the gate of a Nest application does', async () => {
    const nest = await startInboundApp('Express', {
      gate: { protect: 'everything' },
      options: { logAttempts: true, v2OnlyAuthenticate: true },
    });
    const options = { logAttempts: true, v2OnlyAuthenticate: true };
    const port = await listen(express().use(middleware(options)).use(handler));
    try {
      const signature = await signatureOf({ path: '/receive', body: BODY });
      const v1 = await signatureOf({ path: '/receive', body: BODY }, 'v1');
      for (const headers of [{}, { 'mcc-authentication': 'x\u00e9' }, signature, v1, { 'mcc-time': '1' }]) {
        const request = { headers: { ...headers }, body: bytes(20) };
        const [ours, theirs] = [
          await sendBytes({ ...request, port }),
          await sendBytes({ ...request, port: nest.port }),
        ];
        const comparable = ({ status, text, headers: { date: _date, ...rest } }: typeof ours) => ({
          status,
          text,
          type: rest['content-type'],
        });
        expect(comparable(ours)).toEqual(comparable(theirs));
        expect(ours.status).toBe(401);
      }
      expect(witness.logger.lines).toEqual(nest.logger.lines);
      expect(witness.callers).toEqual([]);
    } finally {
      await nest.close();
    }
  });

  it('lets exempt paths pass, as they stand in the request line, whatever their headers say', async () => {
    const own = await listen(
      express()
        .use(middleware({ exempt: ['/version', '/api/up'] }))
        .use(handler),
    );
    const byDefault = await listen(express().use(middleware()).use(handler));
    const status = async (port: number, path: string) =>
      (await sendBytes({ port, path, method: 'GET' })).status;
    expect(await status(own, '/version?x=/')).toBe(200);
    expect(await status(byDefault, '/app_status')).toBe(200);
    for (const path of ['/app_status', '/version/', '/VERSION', '/version%2f', '//version']) {
      expect(await status(own, path)).toBe(401);
    }
    const forged = { 'mcc-authentication': 'MWSV2 nobody', 'content-type': 'text/plain' };
    const answer = await sendBytes({
      port: byDefault,
      path: '/app_status',
      headers: forged,
      body: bytes(99),
    });
    expect(answer.status).toBe(200);
    expect(witness.callers).toEqual([undefined, undefined, undefined]);
  });

  it('verifies the whole of what was sent where it is mounted under a path', async () => {
    const app = express().use('/api', middleware({ exempt: ['/api/up', '/hidden'] }));
    app.use(handler);
    const port = await listen(app);
    for (const path of ['/api/receive?a=1', '/api', '/api?b', '/api/']) {
      expect((await sendSigned({ port, path })).status).toBe(200);
      expect((await sendBytes({ port, path })).status).toBe(401);
    }
    const signature = await signatureOf({ path: '/receive' });
    expect((await sendBytes({ port, path: '/api/receive', headers: signature })).status).toBe(401);
    expect((await sendBytes({ port, path: '/api/up' })).status).toBe(200);
    expect((await sendBytes({ port, path: '/api/hidden' })).status).toBe(401);
    expect((await sendBytes({ port, path: '/elsewhere' })).status).toBe(200);
  });

  it('refuses an ambiguous path, also one that a middleware before it has made', async () => {
    const rewriting: express.RequestHandler = (request, _response, next) => {
      request.url = '/x/..%2freceive';
      next();
    };
    const port = await listen(express().use(middleware()).use(handler));
    const rewritten = await listen(express().use(rewriting).use(middleware()).use(handler));
    expect((await sendSigned({ port, path: '/x/..%2freceive' })).status).toBe(401);
    expect((await sendSigned({ port: rewritten, path: '/receive' })).status).toBe(401);
    expect(witness.codes()).toEqual(['ambiguous_path', 'ambiguous_path']);
  });

  it('verifies and logs once where it is mounted twice', async () => {
    const gate = middleware({ logAttempts: true });
    const app = express().use(gate).use(express.json()).use('/receive', gate, handler);
    const port = await listen(app);
    const verify = jest.spyOn(crypto, 'publicEncrypt');
    expect((await sendSigned({ port, body: BODY, headers: JSON_TYPE })).status).toBe(200);
    expect(verify).toHaveBeenCalledTimes(1);
    expect(witness.logger.lines).toHaveLength(1);
    expect((await sendBytes({ port, body: BODY, headers: JSON_TYPE })).status).toBe(401);
    expect(witness.callers).toHaveLength(1);
  });

  it('does not take the word of another gate', async () => {
    const others = middleware();
    const own = middleware({ findPublicKey: () => undefined });
    const port = await listen(express().use(others).use(own).use(handler));
    expect((await sendSigned({ port, body: BODY, headers: JSON_TYPE })).status).toBe(401);
    expect(witness.callers).toEqual([]);
  });

  it('refuses bodies that a parser in front of it has read, and never takes them for empty', async () => {
    const port = await listen(express().use(express.json()).use(middleware()).use(handler));
    const signedEmpty = await signatureOf({ path: '/receive' });
    for (const signature of [await signatureOf({ body: BODY }), signedEmpty]) {
      const answer = await sendBytes({ port, body: BODY, headers: { ...JSON_TYPE, ...signature } });
      expect(answer.status).toBe(503);
      expect(answer.text).toBe('{"errors":{"mauth":["Could not determine request authenticity"]}}');
    }
    expect(witness.callers).toEqual([]);
    expect(witness.codes()).toEqual(['body_unavailable', 'body_unavailable']);
    expect(witness.logger.lines[0]).toEqual({
      level: 'error',
      message: expect.stringContaining('read before it could be authenticated'),
    });
    expect((await sendSigned({ port, method: 'GET' })).status).toBe(200);
  });

  it.each(BODY_KINDS)(
    'accepts %s behind a slow middleware',
    async (_kind, { contentType, gzip, ...kind }) => {
      const slow: express.RequestHandler = (_request, _response, next) => void setTimeout(next, 20);
      const receive: express.RequestHandler = async (request, response) =>
        void response.json((await readAll(request)).length);
      const port = await listen(express().use(slow).use(middleware()).use(receive));
      const headers = {
        ...(contentType && { 'content-type': contentType }),
        ...(gzip && { 'content-encoding': 'gzip' }),
      };
      const answer = await sendSigned({ ...kind, port, headers });
      expect([answer.status, answer.text]).toEqual([200, String(kind.body?.length ?? 0)]);
    },
  );

  it('hands errors of what stands behind it to the server', async () => {
    const failing: express.RequestHandler = () => {
      throw new Error('of the application');
    };
    const onError: express.ErrorRequestHandler = (error: Error, _request, response, _next) =>
      void response.status(418).send(error.message);
    const port = await listen(express().use(middleware()).use(failing).use(onError));
    const answer = await sendSigned({ port, body: BODY });
    expect([answer.status, answer.text]).toEqual([418, 'of the application']);
  });

  describe('on a server whose `next` takes no errors', () => {
    it.each([
      ['the logger', { logger: { log: fails, warn: fails, error: fails } }],
      ['the clock', { now: fails }],
    ])('stays shut when %s fails', async (_what, options) => {
      const gate = middleware(options);
      const port = await listen((request, response) =>
        gate(request, response, () => {
          witness.callers.push(getMAuthIdentity(request));
          response.end();
        }),
      );
      const forged = await signatureOf({ path: '/other' });
      const answer = await sendBytes({ port, headers: forged, body: BODY });
      expect([answer.status, answer.text]).toEqual([
        503,
        '{"errors":{"mauth":["Could not determine request authenticity"]}}',
      ]);
      expect(witness.callers).toEqual([]);
    });

    it('runs a handler that throws only once', async () => {
      const gate = middleware();
      // Jest itself would catch what is thrown to the process.
      const thrown = new Promise<() => void>((resolve) => {
        jest.spyOn(globalThis, 'queueMicrotask').mockImplementation(resolve);
      });
      const port = await listen((request, response) =>
        gate(request, response, () => {
          witness.callers.push(getMAuthIdentity(request));
          response.end();
          throw new Error('of the handler');
        }),
      );
      await sendSigned({ port, body: BODY });
      expect(await thrown).toThrow('of the handler');
      expect(witness.callers).toHaveLength(1);
    });
  });

  it('refuses to be made of wrong options', () => {
    expect(() => mauthMiddleware({ ...optionsFor(witness), exempt: ['up'] })).toThrow(
      /`exempt` must be a list/,
    );
    expect(() => mauthMiddleware({ ...optionsFor(witness), appUuid: 'x' })).toThrow(MAuthConfigurationError);
    expect(() => mauthMiddleware({ ...optionsFor(witness), findPublicKey: undefined })).toThrow(/`mauthUrl`/);
    expect(() => mauthMiddleware({} as MAuthGateOptions)).toThrow(/`appUuid`/);
  });

  describe('with a MAuth service', () => {
    let mauth: MAuthServiceStandIn;
    beforeEach(async () => {
      mauth = await MAuthServiceStandIn.start({ apps: [caller, service] });
    });
    afterEach(() => mauth.stop());

    it('takes its options from the environment, and lets go of its connections', async () => {
      const own = {
        APP_UUID: service.appUuid,
        MAUTH_PRIVATE_KEY: service.privateKeyPem,
        MAUTH_URL: mauth.url,
      };
      jest.replaceProperty(process, 'env', own);
      jest.spyOn(console, 'log').mockReturnValue();
      const gate = mauthMiddleware();
      const port = await listen(express().use(gate).use(handler));
      expect((await sendSigned({ port })).status).toBe(200);
      expect(mauth.openConnections).toBe(1);
      gate.close();
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(mauth.openConnections).toBe(0);
    });

    it('waits for a private key that is being decrypted', async () => {
      let decrypted: (key: string) => void = () => undefined;
      const gate = middleware({
        findPublicKey: undefined,
        mauthUrl: mauth.url,
        privateKey: Buffer.from('ciphertext').toString('base64'),
        decryptPrivateKey: () => new Promise((resolve) => (decrypted = resolve)),
      });
      const port = await listen(express().use(gate).use(handler));
      const early = sendSigned({ port });
      setTimeout(() => decrypted(service.privateKeyPem), 100);
      expect((await early).status).toBe(200);
      await expect(gate.ready()).resolves.toBeUndefined();
    });

    it('is undecided within the deadline while the private key does not come', async () => {
      const gate = middleware({
        findPublicKey: undefined,
        mauthUrl: mauth.url,
        privateKey: Buffer.from('ciphertext').toString('base64'),
        decryptPrivateKey: () => new Promise(() => undefined),
        service: { deadlineMs: 200 },
      });
      const port = await listen(express().use(gate).use(handler));
      expect((await sendSigned({ port })).status).toBe(503);
    });

    it('is undecided without a private key, says why, and tells whoever waits', async () => {
      const gate = middleware({
        findPublicKey: undefined,
        mauthUrl: mauth.url,
        privateKey: Buffer.from('ciphertext').toString('base64'),
        decryptPrivateKey: () => Promise.reject(new Error('no permission')),
      });
      const port = await listen(express().use(gate).use(handler));
      await expect(gate.ready()).rejects.toThrow(MAuthConfigurationError);
      const answer = await sendSigned({ port });
      expect(answer.status).toBe(503);
      expect(answer.headers['retry-after']).toBeDefined();
      expect(witness.logger.lines[0]).toEqual({
        level: 'error',
        message: expect.stringMatching(/`privateKey`.*`decryptPrivateKey` failed/),
      });
      expect(witness.callers).toEqual([]);
    });

    it('fetches the keys of `keys.warmUp`', async () => {
      const gate = middleware({
        findPublicKey: undefined,
        mauthUrl: mauth.url,
        keys: { warmUp: [caller.appUuid] },
      });
      await gate.ready();
      expect(mauth.fetches(caller)).toBe(1);
      const port = await listen(express().use(gate).use(handler));
      expect((await sendSigned({ port })).status).toBe(200);
      expect(mauth.fetches(caller)).toBe(1);
    });
  });

  it('serves whatever calls (request, response, next)', async () => {
    const gate = middleware();
    const handlers = [gate, (request: IncomingMessage) => witness.callers.push(getMAuthIdentity(request))];
    const port = await listen((request, response) => {
      const [first, second] = handlers as [MAuthGateMiddleware, (request: IncomingMessage) => void];
      first(request, response, () => {
        second(request);
        response.end();
      });
    });
    expect((await sendSigned({ port, body: BODY })).status).toBe(200);
    expect((await sendBytes({ port, body: BODY })).status).toBe(401);
    expect(witness.callers).toEqual([{ appUuid: caller.appUuid, protocolVersion: 2 }]);
  });
});
