import { type ClientRequest } from 'node:http';
import { MAuthUnableToSignError } from '../config/errors.js';
import { type MAuthSignOverrides } from '../signing/mauth-signer.js';
import { standardCaller, type TestCaller } from './test-caller.js';

export interface SignTestRequestOptions extends MAuthSignOverrides {
  /** Who signs. Default: a caller that the process shares. */
  as?: TestCaller;
}

/**
 * Signs a request of supertest when its bytes leave, so `.query()`, `.send()`, `.field()` and `.attach()` may follow.
 * Each redirect and each retry is signed afresh.
 *
 * @param test what `request(app).get('/path')` returns
 * @param options `as`: who signs; `time`: in seconds since 1970; `signVersions`
 * @returns `test`, to go on with
 * @throws MAuthUnableToSignError, code `not_a_test_request`, for anything else
 *
 * @example
 * await signTestRequest(request(app.getHttpServer()).post('/studies'), { as: rave }).send({ name: 'Mediflex' }).expect(201);
 */
export function signTestRequest<T extends object>(
  test: T,
  { as: caller = standardCaller(), ...overrides }: SignTestRequestOptions = {},
): T {
  const sender = test as { request?: unknown };
  if (typeof sender.request !== 'function') {
    throw new MAuthUnableToSignError(
      'not_a_test_request',
      'signTestRequest signs what supertest returns: signTestRequest(request(app.getHttpServer()).get(path)).',
    );
  }
  const open = sender.request.bind(test) as () => unknown;
  const signed = new WeakSet<object>();
  sender.request = () => {
    const request = open();
    if (isClientRequest(request) && !signed.has(request)) {
      signed.add(request);
      signWhenComplete(request, caller, overrides);
    }
    return request;
  };
  return test;
}

/**
 * Signs every request of an agent of supertest.
 *
 * @example
 * const agent = request.agent(app.getHttpServer()).use(signed(rave));
 * await agent.get('/studies').expect(200);
 */
export function signed(caller: TestCaller): (test: object) => void {
  return (test) => void signTestRequest(test, { as: caller });
}

function isClientRequest(request: unknown): request is ClientRequest {
  return typeof request === 'object' && request !== null && 'setHeader' in request && 'end' in request;
}

/** Collects the bytes, and sends them with their signature once they are all there. */
function signWhenComplete(request: ClientRequest, caller: TestCaller, overrides: MAuthSignOverrides): void {
  const end = request.end.bind(request);
  const chunks: Buffer[] = [];
  const collect = (chunk: unknown, encoding: unknown) => {
    if (typeof chunk === 'string') {
      chunks.push(Buffer.from(chunk, typeof encoding === 'string' ? (encoding as BufferEncoding) : 'utf8'));
    } else if (chunk instanceof Uint8Array) chunks.push(Buffer.from(chunk));
  };
  const done = (...callbacks: unknown[]) => {
    for (const callback of callbacks)
      if (typeof callback === 'function') queueMicrotask(callback as () => void);
  };
  request.write = (chunk: unknown, encoding?: unknown, callback?: unknown) => {
    collect(chunk, encoding);
    done(encoding, callback);
    return true;
  };
  request.end = (chunk?: unknown, encoding?: unknown, callback?: unknown) => {
    collect(chunk, encoding);
    const body = Buffer.concat(chunks);
    caller.sign({ method: request.method, url: request.path, body }, overrides).then(
      (headers) => {
        for (const [name, value] of Object.entries(headers)) request.setHeader(name, value);
        end(body.length > 0 ? body : undefined);
        done(chunk, encoding, callback);
      },
      (error: Error) => request.destroy(error),
    );
    return request;
  };
}
