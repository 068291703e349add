import crypto from 'node:crypto';
import { type Type } from '@nestjs/common';
import { Query, Resolver } from '@nestjs/graphql';
import { AppUuid, RequiresMAuth } from '../../lib/index.js';
import { RecordedEvents } from '../support/recorded-events.js';
import { exampleInPage, runExample } from '../support/examples.js';
import { caller } from '../support/inbound-app.js';
import { ran, overSocket, startGraphqlApp, type GraphqlApp } from '../support/graphql-app.js';
import { PLATFORMS } from '../support/running-app.js';
import { sendBytes, sendSigned, signatureOf } from '../support/signed-http.js';

const JSON_TYPE = { 'content-type': 'application/json' };
const path = '/graphql';

interface GraphqlAnswer {
  readonly data?: Record<string, unknown> | null;
  readonly errors?: readonly { message: string; extensions: { code: string; originalError?: object } }[];
}

const bodyOf = (operation: unknown) => Buffer.from(JSON.stringify(operation));

describe.each(PLATFORMS)('GraphQL with Apollo on %s', (_, createAdapter) => {
  let running: GraphqlApp | undefined;

  async function start(options: Parameters<typeof startGraphqlApp>[1] = {}): Promise<GraphqlApp> {
    running = await startGraphqlApp(createAdapter, options);
    return running;
  }

  afterEach(async () => {
    jest.restoreAllMocks();
    await running?.close();
    running = undefined;
  });

  async function signed(operation: unknown, version: 'v1' | 'v2' = 'v2'): Promise<GraphqlAnswer> {
    const port = running?.port ?? 0;
    const answer = await sendSigned({ port, path, headers: JSON_TYPE, body: bodyOf(operation) }, version);
    expect(answer.status).toBe(200);
    return JSON.parse(answer.text) as GraphqlAnswer;
  }

  async function unsigned(operation: unknown, headers: object = {}): Promise<GraphqlAnswer> {
    const port = running?.port ?? 0;
    const request = { port, path, headers: { ...JSON_TYPE, ...headers }, body: bodyOf(operation) };
    const answer = await sendBytes(request);
    expect(answer.status).toBe(200);
    return JSON.parse(answer.text) as GraphqlAnswer;
  }

  function expectUnauthenticated({ data, errors }: GraphqlAnswer): void {
    expect(data).toBeFalsy();
    expect(errors).toEqual([
      expect.objectContaining({
        message: 'Unauthorized',
        extensions: {
          code: 'UNAUTHENTICATED',
          originalError: { errors: { mauth: ['Unauthorized'] } },
        },
      }),
    ]);
  }

  it.each(['decorated', 'routes', 'everything'] as const)(
    'runs signed queries and mutations, and tells resolvers who is calling (%s)',
    async (protect) => {
      await start({ protect });
      expect(await signed({ query: '{ whoAmI study(id: 7) { id owner } }' })).toEqual({
        data: { whoAmI: `${caller.appUuid} with version 2`, study: { id: '7', owner: caller.appUuid } },
      });
      expect(await signed({ query: 'mutation { create(name: "é") }' }, 'v1')).toEqual({
        data: { create: 'é' },
      });
    },
  );

  it('works as the docs show', async () => {
    const given = { AppUuid, Query, RequiresMAuth, Resolver };
    const resolver = await runExample(
      exampleInPage('guard-and-decorators.md', "@Resolver('Study')"),
      given,
      'StudyResolver',
    );
    await start({ resolver: resolver as Type<unknown> });
    expect(await signed({ query: '{ whoAmI }' })).toEqual({ data: { whoAmI: caller.appUuid } });
    expectUnauthenticated(await unsigned({ query: '{ whoAmI }' }));
  });

  it('runs signed queries over GET, and refuses them with another query string', async () => {
    const { port } = await start();
    const get = (query: string) => `${path}?query=${encodeURIComponent(query)}`;
    const headers = { 'apollo-require-preflight': 'true' };
    const answer = await sendSigned({ port, method: 'GET', path: get('{ whoAmI }'), headers });
    expect(JSON.parse(answer.text)).toEqual({ data: { whoAmI: expect.stringMatching(caller.appUuid) } });
    ran.length = 0;
    const signature = await signatureOf({ method: 'GET', path: get('{ whoAmI }') });
    const changed = get('{ study(id: 1) { id } }');
    const refused = await sendBytes({
      port,
      method: 'GET',
      path: changed,
      headers: { ...headers, ...signature },
    });
    expectUnauthenticated(JSON.parse(refused.text) as GraphqlAnswer);
    expect(ran).toEqual([]);
  });

  it.each(['decorated', 'routes'] as const)(
    'refuses what is unsigned or tampered with (%s)',
    async (protect) => {
      const { witness } = await start({ protect });
      expectUnauthenticated(await unsigned({ query: '{ whoAmI }' }));
      expectUnauthenticated(await unsigned({ query: 'mutation { create(name: "x") }' }));
      const signature = await signatureOf({ path, body: bodyOf({ query: '{ whoAmI }' }) });
      expectUnauthenticated(await unsigned({ query: 'mutation { create(name: "x") }' }, signature));
      expect(ran).toEqual([]);
      expect(witness.codes()).toEqual(['missing_headers', 'missing_headers', 'signature_mismatch']);
    },
  );

  it('verifies a batch of ten operations once', async () => {
    const { witness } = await start({ mauth: { logAttempts: true } });
    const verify = jest.spyOn(crypto, 'publicEncrypt');
    const batch = Array.from({ length: 10 }, (_, id) => ({ query: `{ study(id: ${id}) { id } }` }));
    const answers = await signed(batch);
    expect(answers).toEqual(batch.map((_, id) => ({ data: { study: { id: `${id}` } } })));
    expect(verify).toHaveBeenCalledTimes(1);
    expect(witness.logger.lines.filter(({ level }) => level === 'log')).toHaveLength(2); // with that of the start
    ran.length = 0;
    const signature = await signatureOf({ path, body: bodyOf(batch) });
    const tampered = (await unsigned([...batch].reverse(), signature)) as unknown as GraphqlAnswer[];
    expect(tampered).toHaveLength(10);
    tampered.forEach(expectUnauthenticated);
    expect(ran).toEqual([]);
  });

  it('heeds the decorators of each resolver, also within one request', async () => {
    await start({ protect: 'routes' });
    expect(await unsigned({ query: '{ open visitor }' })).toEqual({
      data: { open: 'open', visitor: 'nobody' },
    });
    expect(await signed({ query: '{ open visitor }' })).toEqual({
      data: { open: 'open', visitor: caller.appUuid },
    });
    const badlySigned = await signatureOf({ path, body: bodyOf('something else') });
    expectUnauthenticated(await unsigned({ query: '{ visitor }' }, badlySigned));
    expectUnauthenticated(await unsigned({ query: '{ openCaller }' }));
    expect(ran).toEqual(['open', 'visitor', 'open', 'visitor']);
  });

  it('logs resolver and remedy where one names its caller, and nothing authenticates it', async () => {
    const { witness } = await start({ protect: 'routes' });
    witness.logger.lines.length = 0;
    expectUnauthenticated(await signed({ query: '{ openCaller }' }));
    expect(witness.logger.lines).toEqual([
      {
        level: 'warn',
        message: expect.stringMatching(
          /^MAuth: POST \/graphql was refused \(not_authenticated\): StudyResolver\.openCaller .*in place of @Public\(\)/,
        ),
      },
    ]);
    expect(ran).toEqual([]);
  });

  it('refuses an app that is not among those of the resolver, and a body above its limit', async () => {
    await start();
    const forbidden = await signed({ query: '{ forOthers }' });
    expect(forbidden.errors).toEqual([
      expect.objectContaining({
        message: 'Forbidden',
        extensions: { code: 'FORBIDDEN', originalError: { errors: { mauth: ['Forbidden'] } } },
      }),
    ]);
    expect(await signed({ query: '{ small }' })).toEqual({ data: { small: 'small' } });
    const tooLarge = await signed({ query: '{ small } # and much more than that' });
    expect(tooLarge).toMatchObject({
      data: null,
      errors: [{ message: expect.stringContaining('Too Large') }],
    });
    expect(ran).toEqual(['small']);
  });

  it('says so when authenticity cannot be decided', async () => {
    await start({
      mauth: {
        findPublicKey: () => {
          throw new Error('down');
        },
      },
    });
    expect((await signed({ query: '{ whoAmI }' })).errors).toEqual([
      expect.objectContaining({
        message: 'Could not determine request authenticity',
        extensions: expect.objectContaining({ code: 'SERVICE_UNAVAILABLE' }),
      }),
    ]);
    expect(ran).toEqual([]);
  });

  it.each([
    ['is something else', { req: { headers: {}, method: 'POST', url: '/graphql' } }],
    ['looks like one that was verified', { req: { raw: {}, headers: { 'mcc-authentication': 'MWSV2' } } }],
    ['is text', { req: new String('request'), request: 'request', reply: null }],
  ])('refuses an operation whose request in the context %s, and names the remedy', async (_how, context) => {
    const { witness } = await start({ context: () => context });
    const answer = await signed({ query: '{ visitor whoAmI }' });
    expect(answer.data).toBeFalsy();
    expect(answer.errors?.[0]).toMatchObject({
      message: expect.stringMatching(/put the request into the GraphQL context.*@Public\(\)/),
      extensions: { code: 'UNAUTHENTICATED' },
    });
    expect(ran).toEqual([]);
    expect(witness.codes()).toEqual([undefined, undefined]);
    expect(witness.logger.lines.at(-1)?.message).toMatch(
      /^MAuth refused a call of type graphql at StudyResolver\.\w+: unsupported_context\. MAuth .*@Public\(\)/,
    );
    expect(await signed({ query: '{ open }' })).toEqual({ data: { open: 'open' } });
  });

  it.each(['request', 'reply'])('finds the request where other servers put it: in `%s`', async (name) => {
    const context = (request: { req?: object }) => {
      const found = request.req ?? request;
      return { req: new String('something else'), [name]: name === 'reply' ? { request: found } : found };
    };
    await start({ context });
    expect(await signed({ query: '{ study(id: 1) { owner } }' })).toEqual({
      data: { study: { owner: caller.appUuid } },
    });
    expectUnauthenticated(await unsigned({ query: '{ whoAmI }' }));
  });

  it('tells once of a handler that is refused to an operation, however many aliases name it', async () => {
    const observer = new RecordedEvents();
    const { port, witness } = await start({ protect: 'routes', mauth: { observers: [observer] } });
    const aliases = (field: string) =>
      `{ ${Array.from({ length: 100 }, (__, i) => `a${i}: ${field}`).join(' ')} }`;
    const lines = () =>
      witness.logger.lines.filter(({ message }) => /app_not_allowed|unsupported_context/.test(message));
    for (const times of [1, 2]) {
      const { errors } = await signed({ query: aliases('forOthers') });
      expect(errors?.map(({ extensions }) => extensions.code)).toContain('FORBIDDEN');
      expect(observer.decisions.filter(({ outcome }) => outcome === 'forbidden')).toHaveLength(times);
      expect(lines()).toHaveLength(times);
    }
    const unnamed = () =>
      witness.logger.lines.filter(({ message }) => message.includes('(not_authenticated)'));
    await signed({ query: aliases('openCaller') });
    expect(unnamed()).toHaveLength(1);
    observer.forget();
    witness.logger.lines.length = 0;
    for (const times of [1, 2]) {
      expect(await overSocket(port, aliases('whoAmI'))).toContain('@Public()');
      expect(observer.decisions.map(({ code }) => code)).toEqual(Array(times).fill('unsupported_context'));
      expect(lines()).toHaveLength(times);
    }
  });

  describe('over a socket', () => {
    const contexts: [string, unknown][] = [
      ['as it comes', undefined],
      [
        'that the context passes on',
        (first: { req?: object; extra?: { request: object } }) => ({
          req: first.req ?? first.extra?.request ?? first,
        }),
      ],
    ];

    it.each(contexts)(
      'refuses every operation, signed or not (with the request %s)',
      async (_how, context) => {
        const { port } = await start({ protect: 'routes', context });
        const handshake = await signatureOf({ method: 'GET', path });
        for (const headers of [{}, handshake]) {
          for (const operation of [
            '{ whoAmI }',
            '{ visitor }',
            'mutation { create(name: "x") }',
            'subscription { ticks }',
          ]) {
            const answer = await overSocket(port, operation, headers);
            expect(answer).toContain('@Public()');
            expect(answer).not.toContain(caller.appUuid);
          }
        }
        expect(ran).toEqual([]);
      },
    );

    it('runs what is @Public()', async () => {
      const { port } = await start({ protect: 'routes' });
      expect(await overSocket(port, '{ open }')).toContain('"open":"open"');
      expect(await overSocket(port, 'subscription { openTicks }')).toContain('"openTicks":1');
      expect(await overSocket(port, '{ openCaller }')).toContain('Unauthorized');
    });
  });
});
