import { MAuthSigner, type MAuthSignVersions } from '../../lib/core.js';
import { createLambdaAuthenticator, eventTarget } from '../../lib/lambda/index.js';
import { RecordingLogger } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';
import {
  functionUrl,
  GATEWAYS,
  httpApi,
  loadBalancer,
  restApi,
  type Gateway,
  type WireRequest,
} from './gateway-events.js';

const caller = createTestApp();
const logger = new RecordingLogger();
const mauth = createLambdaAuthenticator({
  appUuid: createTestApp().appUuid,
  findPublicKey: (appUuid) => (appUuid === caller.appUuid ? caller.publicKey : undefined),
  logger,
});

/** A request as our signer signs it, in front of the gateway. */
async function signed(
  gateway: Gateway,
  method: string,
  path: string,
  { body, type, versions = 'v2' }: { body?: Buffer; type?: string; versions?: MAuthSignVersions } = {},
): Promise<WireRequest> {
  const signer = new MAuthSigner({
    appUuid: caller.appUuid,
    privateKey: caller.privateKey,
    signVersions: versions,
  });
  const target = gateway.prefix + path;
  const headers = await signer.signRequest({ method, url: target, body });
  return { method, target, body, headers: { ...headers, ...(type && { 'content-type': type }) } };
}

const authenticate = (gateway: Gateway, request: WireRequest) =>
  mauth.authenticateEvent(gateway.event(request));

const REQUESTS: [string, string, string, { body?: Buffer; type?: string }][] = [
  ['GET', 'GET', '/studies', {}],
  ['GET with a query', 'GET', '/studies?page=2&per=%31&empty=&flag', {}],
  ['GET with escapes in the query', 'GET', '/studies?q=a%20b%26c%2Fd&z%C3%BCrich=%C3%BC&plus=%2B&x=1+2', {}],
  ['POST of JSON', 'POST', '/studies', { body: Buffer.from('{"name":"Zürich"}'), type: 'application/json' }],
  ['PUT of binary', 'PUT', '/files/1', { body: Buffer.from([0, 255, 128, 10]), type: 'image/png' }],
  ['DELETE of the root', 'DELETE', '/', {}],
  ['GET of a path beyond ASCII', 'GET', '/sites/Z%C3%BCrich%20West/%E2%82%AC', {}],
  ['GET of a path with all that may stand in one', 'GET', "/a-b._~!$&'()*+,;=:@c", {}],
];

const REPEATED: [string, string, string, { body?: Buffer; type?: string }] = [
  'GET with repeated parameters',
  'GET',
  '/studies?tag=b&tag=a&tag=b&page=1',
  {},
];

const requestsFor = (gateway: Gateway) => (gateway === loadBalancer ? REQUESTS : [...REQUESTS, REPEATED]);

describe.each(GATEWAYS.map((gateway) => [gateway.name, gateway] as const))('behind %s', (_name, gateway) => {
  it.each(requestsFor(gateway))(
    '%s is authentic, until anything changes',
    async (_title, method, path, rest) => {
      const request = await signed(gateway, method, path, rest);
      await expect(authenticate(gateway, request)).resolves.toEqual({
        authentic: true,
        appUuid: caller.appUuid,
        protocolVersion: 2,
      });
      const joint = path.includes('?') ? '&' : '?';
      const changed: WireRequest[] = [
        { ...request, method: method === 'GET' ? 'POST' : 'GET' },
        { ...request, target: `${gateway.prefix}/x${path}` },
        { ...request, target: `${request.target}${joint}more=1` },
        { ...request, body: Buffer.concat([request.body ?? Buffer.alloc(0), Buffer.from('x')]) },
        { ...request, body: Buffer.from(request.body ?? 'x').fill(65, 0, 1) },
      ];
      for (const forged of changed) {
        await expect(authenticate(gateway, forged)).resolves.toEqual({
          authentic: false,
          status: 401,
          code: 'signature_mismatch',
        });
      }
    },
  );

  it('a V1 request is authentic as well', async () => {
    const body = Buffer.from('{}');
    const rest = { body, type: 'application/json', versions: 'v1' } as const;
    const request = await signed(gateway, 'POST', '/sites/Z%C3%BCrich?page=1', rest);
    await expect(authenticate(gateway, request)).resolves.toMatchObject({
      authentic: true,
      protocolVersion: 1,
    });
    await expect(
      authenticate(gateway, { ...request, target: `${gateway.prefix}/sites/Zurich` }),
    ).resolves.toMatchObject({ status: 401 });
  });

  it('a request without MAuth headers is not', async () => {
    const request = { method: 'GET', target: `${gateway.prefix}/studies`, headers: {} };
    await expect(authenticate(gateway, request)).resolves.toEqual({
      authentic: false,
      status: 401,
      code: 'missing_headers',
    });
  });

  it('a path that can be read in two ways is refused although it was signed', async () => {
    const request = await signed(gateway, 'GET', '/public/../studies');
    await expect(authenticate(gateway, request)).resolves.toMatchObject({ code: 'ambiguous_path' });
    expect(logger.lines.at(-1)?.message).toContain('is inauthentic (ambiguous_path)');
    const encoded = await signed(gateway, 'GET', '/public/%2e%2e/studies');
    await expect(authenticate(gateway, encoded)).resolves.toMatchObject({ authentic: false, status: 401 });
  });

  it('a signature for one spelling does not open another that is decoded twice', async () => {
    const request = await signed(gateway, 'GET', '/files/a%2Fb');
    const target = `${gateway.prefix}/files/a%252Fb`;
    await expect(authenticate(gateway, { ...request, target })).resolves.toMatchObject({ status: 401 });
  });

  it('bytes that are no text are never mistaken for others', async () => {
    const request = await signed(gateway, 'GET', '/studies?name=%EF%BF%BD');
    const target = `${gateway.prefix}/studies?name=%FF`;
    await expect(authenticate(gateway, { ...request, target })).resolves.toMatchObject({ status: 401 });
    const path = await signed(gateway, 'GET', '/studies/%EF%BF%BD');
    await expect(
      authenticate(gateway, { ...path, target: `${gateway.prefix}/studies/%FF` }),
    ).resolves.toMatchObject({ status: 401 });
  });
});

describe.each(
  GATEWAYS.filter((gateway) => gateway !== loadBalancer).map((gateway) => [gateway.name, gateway] as const),
)('behind %s', (_name, gateway) => {
  it('a header that came twice is refused', async () => {
    const request = await signed(gateway, 'GET', '/studies');
    const header = request.headers['MCC-Authentication'] as string;
    const twice = { ...request, headers: { ...request.headers, 'MCC-Authentication': [header, header] } };
    await expect(authenticate(gateway, twice)).resolves.toMatchObject({ code: 'malformed_headers' });
  });
});

describe('an event', () => {
  it('tells path and query as they were sent, with the stage', () => {
    const requestContext = { http: { method: 'GET' } };
    expect(
      eventTarget({ version: '2.0', rawPath: '/prod/studies', rawQueryString: 'page=1', requestContext }),
    ).toBe('/prod/studies?page=1');
  });

  it('tells them as bytes', () => {
    const request = { method: 'GET', target: '/a?b=ü', headers: {} };
    expect(Buffer.from(eventTarget(httpApi.event(request)) ?? '', 'latin1').toString()).toBe('/a?b=ü');
  });

  it.each([
    ['a path with bytes that are no text', { rawPath: '/\uFFFD' }],
    ['a path with half a character', { rawPath: '/\uD800' }],
    ['a query with half a character', { rawQueryString: 'a=\uDC00' }],
    ['a query that is no text', { rawQueryString: 1 }],
    ['no path', { rawPath: undefined }],
    ['no request', { requestContext: {} }],
  ])('with %s tells nothing', (_title, part) => {
    const requestContext = { http: { method: 'GET' } };
    expect(eventTarget({ version: '2.0', rawPath: '/', requestContext, ...part })).toBeUndefined();
  });

  it.each([
    ['both decoded and spelled', { path: '/a%20ü' }],
    ['with a query in it, decoded and spelled', { path: '/a?b%20' }],
    ['with parameters that are no text', { path: '/', queryStringParameters: { a: 1 } }],
    ['with lists that hold no text', { path: '/', multiValueQueryStringParameters: { a: [null] } }],
  ])('of a load balancer %s tells nothing', (_title, part) => {
    expect(eventTarget({ httpMethod: 'GET', requestContext: { elb: {} }, ...part })).toBeUndefined();
  });

  it('of a REST API whose two paths are spelled differently is taken for decoded', () => {
    const requestContext = { stage: 'prod', path: '/prod/a b' };
    expect(eventTarget({ httpMethod: 'GET', path: '/a%20b', requestContext })).toBe('/prod/a%20b');
  });

  it.each([
    ['nothing', undefined],
    ['text', 'GET /'],
    ['a list', []],
    ['a message of a queue', { Records: [{ eventSource: 'aws:sqs', body: '' }] }],
    ['a message of a web socket', { requestContext: { connectionId: 'a', eventType: 'MESSAGE' }, body: '' }],
  ])('that is %s is inauthentic', async (_title, event) => {
    await expect(mauth.authenticateEvent(event)).resolves.toEqual({
      authentic: false,
      status: 401,
      code: 'malformed_request',
    });
    expect(logger.lines.at(-1)?.level).toBe('error');
  });

  it('for an authorizer cannot be decided, because it never tells the body', async () => {
    const request = await signed(httpApi, 'POST', '/studies');
    const { body: _none, ...event } = httpApi.event(request);
    await expect(mauth.authenticateEvent(event)).resolves.toMatchObject({ authentic: true });
    const undecided = { authentic: false, status: 503, code: 'body_unavailable' };
    await expect(mauth.authenticateEvent({ ...event, type: 'REQUEST' })).resolves.toEqual(undecided);
    const { body: _null, ...rest } = restApi.event(await signed(restApi, 'POST', '/studies'));
    await expect(mauth.authenticateEvent({ ...rest, type: 'REQUEST' })).resolves.toEqual(undecided);
  });

  it('whose headers announce a body that is not there cannot be decided', async () => {
    const request = await signed(httpApi, 'POST', '/studies');
    const event = httpApi.event(request);
    const headers = { ...event.headers, 'content-length': '5' };
    await expect(mauth.authenticateEvent({ ...event, headers })).resolves.toMatchObject({
      code: 'body_unavailable',
    });
  });
});

describe('an event whose target can be read in two ways', () => {
  /** Gateways that hand on the query as it was spelled. */
  const asSpelled = [httpApi, functionUrl].map((gateway) => [gateway.name, gateway] as const);

  it.each(asSpelled)('behind %s is refused for a number sign in its query', async (_name, gateway) => {
    const request = await signed(gateway, 'GET', '/studies?name=a%23b&zone=1');
    await expect(authenticate(gateway, request)).resolves.toMatchObject({ authentic: true });
    const target = `${gateway.prefix}/studies?name=a#b&zone=1`;
    await expect(authenticate(gateway, { ...request, target })).resolves.toMatchObject({
      code: 'ambiguous_path',
    });
  });

  it('is refused for a number sign that the gateway has decoded: what the handler reads is cut there', async () => {
    const request = await signed(httpApi, 'GET', '/studies/a%23b');
    await expect(authenticate(httpApi, request)).resolves.toMatchObject({ code: 'ambiguous_path' });
    const spelled = await signed(functionUrl, 'GET', '/studies/a%23b');
    await expect(authenticate(functionUrl, spelled)).resolves.toMatchObject({ authentic: true });
  });
});

describe('the option requestTarget', () => {
  const withTarget = (requestTarget: (event: unknown) => string) =>
    createLambdaAuthenticator({
      appUuid: caller.appUuid,
      findPublicKey: () => caller.publicKey,
      requestTarget,
      logger,
    });

  it('says what was signed where something in front rewrites paths', async () => {
    const request = await signed({ ...restApi, prefix: '/outside' }, 'GET', '/studies?page=1');
    const event = restApi.event({ ...request, target: '/prod/studies?page=1' });
    const target = (given: unknown) => `/outside${(given as { path: string }).path}?page=1`;
    await expect(mauth.authenticateEvent(event)).resolves.toMatchObject({ status: 401 });
    await expect(withTarget(target).authenticateEvent(event)).resolves.toMatchObject({ authentic: true });
  });

  it.each([
    ['throws', () => (undefined as any).path],
    ['does not return text', () => 1 as any],
  ])('refuses requests when it %s', async (_title, requestTarget) => {
    const event = restApi.event(await signed(restApi, 'GET', '/studies'));
    await expect(withTarget(requestTarget).authenticateEvent(event)).resolves.toMatchObject({ status: 401 });
    expect(logger.lines.some(({ message }) => message.includes('`requestTarget`'))).toBe(true);
  });
});
