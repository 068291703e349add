import { type AddressInfo } from 'node:net';
import fastifyMiddie from '@fastify/middie';
import fastify, { type FastifyInstance, type FastifyServerOptions } from 'fastify';
import {
  getMAuthIdentity,
  MAuthConfigurationError,
  mauthPlugin,
  type MAuthGateOptions,
} from '../../lib/core.js';
import { bytes } from '../support/body-kinds.js';
import { caller, optionsFor, service, startInboundApp, Witness } from '../support/inbound-app.js';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { sendBytes, sendSigned, signatureOf } from '../support/signed-http.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const BODY = Buffer.from('{"a":1}');

describe('mauthPlugin', () => {
  let witness: Witness;
  let app: FastifyInstance;

  beforeEach(() => (witness = new Witness()));
  afterEach(async () => {
    jest.restoreAllMocks();
    await app.close();
  });

  const options = (own: Partial<MAuthGateOptions> = {}) => ({ ...optionsFor(witness), ...own });

  function create(server: FastifyServerOptions = {}): FastifyInstance {
    app = fastify({ forceCloseConnections: true, ...server });
    return app;
  }

  async function listen(): Promise<number> {
    await app.listen({ port: 0, host: '127.0.0.1' });
    return (app.server.address() as AddressInfo).port;
  }

  const handler = async (request: { body: unknown }) => {
    witness.callers.push(getMAuthIdentity(request));
    return { caller: getMAuthIdentity(request), body: request.body };
  };

  it('protects routes of its instance, registered before or afterwards, and shows the caller to them', async () => {
    create().post('/before', handler);
    await app.register(mauthPlugin, options());
    app.post('/after', handler);
    await app.register(async (inner) => void inner.post('/inside', handler));
    const port = await listen();
    for (const path of ['/before', '/after', '/inside']) {
      expect((await sendBytes({ port, path, body: BODY, headers: JSON_TYPE })).status).toBe(401);
      const answer = await sendSigned({ port, path, body: BODY, headers: JSON_TYPE });
      expect(JSON.parse(answer.text)).toEqual({
        caller: { appUuid: caller.appUuid, protocolVersion: 2 },
        body: { a: 1 },
      });
    }
    expect(witness.callers).toHaveLength(3);
  });

  it('protects what has no route, and handlers for that', async () => {
    create().setNotFoundHandler((request, reply) => {
      witness.callers.push(getMAuthIdentity(request));
      return reply.code(404).send('nothing here');
    });
    await app.register(mauthPlugin, options());
    const port = await listen();
    expect((await sendBytes({ port, path: '/no/such' })).status).toBe(401);
    expect(witness.callers).toEqual([]);
    expect((await sendSigned({ port, path: '/no/such' })).text).toBe('nothing here');
  });

  it('answers and logs as the gate of a Nest application does', async () => {
    const nest = await startInboundApp('Fastify', {
      gate: { protect: 'everything' },
      options: { logAttempts: true },
    });
    try {
      await create().register(mauthPlugin, options({ logAttempts: true }));
      app.all('/receive', handler);
      const port = await listen();
      const signature = await signatureOf({ path: '/receive', body: BODY });
      for (const headers of [{}, signature, { 'mcc-authentication': 'MWSV2' }]) {
        const answers = [port, nest.port].map((at) =>
          sendBytes({ port: at, headers: { ...headers }, body: bytes(9) }),
        );
        const [ours, theirs] = await Promise.all(answers);
        expect([ours?.status, ours?.text]).toEqual([401, '{"errors":{"mauth":["Unauthorized"]}}']);
        expect([ours?.status, ours?.text]).toEqual([theirs?.status, theirs?.text]);
        expect(ours?.headers['content-type']).toBe(theirs?.headers['content-type']);
      }
      expect(witness.logger.lines).toEqual(nest.logger.lines);
    } finally {
      await nest.close();
    }
  });

  it('lets exempt paths pass', async () => {
    await create().register(mauthPlugin, options({ exempt: ['/version'] }));
    app.all('/*', handler);
    const port = await listen();
    expect((await sendBytes({ port, path: '/version?x' })).status).toBe(200);
    for (const path of ['/app_status', '/version/', '/Version', '/version%2f']) {
      expect((await sendBytes({ port, path })).status).toBe(401);
    }
  });

  it('verifies what is injected without a server', async () => {
    await create().register(mauthPlugin, options());
    app.post('/receive', handler);
    const inject = async (headers: object, payload = BODY) =>
      (await app.inject({ method: 'POST', url: '/receive', payload, headers: { ...JSON_TYPE, ...headers } }))
        .statusCode;
    const signature = await signatureOf({ body: BODY });
    expect(await inject(signature)).toBe(200);
    expect(await inject({})).toBe(401);
    expect(await inject(signature, Buffer.from('{"a":2}'))).toBe(401);
  });

  it('verifies the target before `rewriteUrl`, and refuses ambiguous ones that it makes', async () => {
    const rewriteUrl = ({ url = '' }: { url?: string }) =>
      url.replace('/outside', '').replace('/bad', '/x/..%2f');
    await create({ rewriteUrl }).register(mauthPlugin, options());
    app.all('/*', handler);
    const port = await listen();
    expect((await sendSigned({ port, path: '/outside/receive?a=1' })).status).toBe(200);
    const signature = await signatureOf({ path: '/receive' });
    expect((await sendBytes({ port, path: '/outside/receive', headers: signature })).status).toBe(401);
    expect((await sendSigned({ port, path: '/bad' })).status).toBe(401);
    expect(witness.codes()).toEqual(['signature_mismatch', 'ambiguous_path']);
  });

  it('stands in front of the middleware that is used afterwards', async () => {
    await create().register(fastifyMiddie);
    await app.register(mauthPlugin, options());
    app.use('/files', (_request: unknown, response: { end(text: string): void }) => {
      witness.callers.push(undefined);
      response.end('a file');
    });
    const port = await listen();
    expect((await sendBytes({ port, path: '/files/a' })).status).toBe(401);
    expect(witness.callers).toEqual([]);
    expect((await sendSigned({ port, path: '/files/a' })).text).toBe('a file');
  });

  it('refuses bodies that a hook in front of it has read', async () => {
    create().addHook('onRequest', async ({ raw }) => {
      for await (const chunk of raw) void chunk;
    });
    await app.register(mauthPlugin, options());
    app.get('/receive', handler);
    const port = await listen();
    const signedEmpty = await signatureOf({ method: 'GET' });
    const answer = await sendBytes({ port, method: 'GET', body: BODY, headers: signedEmpty });
    expect(answer.status).toBe(503);
    expect(witness.codes()).toEqual(['body_unavailable']);
    expect(witness.callers).toEqual([]);
  });

  it('keeps the headers that hooks in front of it have set', async () => {
    create().addHook(
      'onRequest',
      async (_request, reply) => void reply.header('access-control-allow-origin', '*'),
    );
    await app.register(mauthPlugin, options());
    const answer = await sendBytes({ port: await listen() });
    expect([answer.status, answer.headers['access-control-allow-origin']]).toEqual([401, '*']);
  });

  it('protects the not-found handler also where a hook in front of it sends requests there', async () => {
    create().setNotFoundHandler(async (request) => handler(request));
    app.addHook('onRequest', (_request, reply) => void reply.callNotFound());
    await app.register(mauthPlugin, options());
    app.get('/gone', async () => 'never');
    const port = await listen();
    expect((await sendBytes({ port, method: 'GET', path: '/gone' })).status).toBe(401);
    expect(witness.callers).toEqual([]);
    await sendSigned({ port, method: 'GET', path: '/gone' });
    expect(witness.callers).toEqual([{ appUuid: caller.appUuid, protocolVersion: 2 }]);
  });

  it('lets hooks see what it has answered', async () => {
    const statuses: number[] = [];
    create().addHook('onResponse', async (_request, { raw }) => void statuses.push(raw.statusCode));
    await app.register(mauthPlugin, options());
    const port = await listen();
    await sendBytes({ port });
    await app.close();
    expect(statuses).toEqual([401]);
  });

  it('protects one context where it is registered in one', async () => {
    create().get('/open', handler);
    await app.register(async (inner) => {
      await inner.register(mauthPlugin, options());
      inner.get('/closed', handler);
    });
    const port = await listen();
    expect((await sendBytes({ port, method: 'GET', path: '/open' })).status).toBe(200);
    expect((await sendBytes({ port, method: 'GET', path: '/closed' })).status).toBe(401);
    expect((await sendSigned({ port, method: 'GET', path: '/closed' })).status).toBe(200);
  });

  it('refuses to come after plugins that it could not protect', async () => {
    await create().register(async (inner) => void inner.get('/open', handler));
    await expect(app.register(mauthPlugin, options())).rejects.toThrow(/register it first/);
  });

  it('refuses to be registered twice', async () => {
    await create().register(mauthPlugin, options());
    await expect(app.register(mauthPlugin, options())).rejects.toThrow(/more than once/);
  });

  it('refuses wrong options', async () => {
    await expect(create().register(mauthPlugin, options({ exempt: ['up'] }))).rejects.toThrow(/`exempt`/);
    await app.close();
    await expect(create().register(mauthPlugin, { exempt: [] })).rejects.toThrow(/`appUuid`/);
    await app.close();
    const prefixed = { ...options(), prefix: '/api' };
    await expect(create().register(mauthPlugin, prefixed)).resolves.toBeDefined();
  });

  it('does not start without the private key that it needs', async () => {
    const encrypted = {
      privateKey: Buffer.from('ciphertext').toString('base64'),
      decryptPrivateKey: () => Promise.reject(new Error('no permission')),
    };
    const started = Promise.resolve(create().register(mauthPlugin, options(encrypted)));
    await expect(started).rejects.toThrow(MAuthConfigurationError);
  });

  it('takes its options from the environment, and lets go of its connections', async () => {
    const mauth = await MAuthServiceStandIn.start({ apps: [caller, service] });
    try {
      jest.replaceProperty(process, 'env', {
        APP_UUID: service.appUuid,
        MAUTH_PRIVATE_KEY: service.privateKeyPem,
        MAUTH_URL: mauth.url,
      });
      jest.spyOn(console, 'log').mockReturnValue();
      await create().register(mauthPlugin);
      app.post('/receive', handler);
      const port = await listen();
      expect((await sendSigned({ port, body: BODY, headers: JSON_TYPE })).status).toBe(200);
      expect(mauth.openConnections).toBe(1);
      await app.close();
      await new Promise((resolve) => setTimeout(resolve, 100));
      expect(mauth.openConnections).toBe(0);
    } finally {
      await mauth.stop();
    }
  });
});
