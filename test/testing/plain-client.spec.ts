import { constants, createHash, generateKeyPairSync, privateEncrypt, randomUUID, sign } from 'node:crypto';
import { request } from 'node:http';
import { FakeMAuthService } from '../../lib/testing/index.js';

/**
 * A client of the MAuth service that has nothing of this package: HTTP by Node, headers put together by hand from what
 * the protocol says.
 */
class PlainClient {
  readonly appUuid = randomUUID();
  readonly #keys = generateKeyPairSync('rsa', {
    modulusLength: 2048,
    publicKeyEncoding: { format: 'pem', type: 'spki' },
    privateKeyEncoding: { format: 'pem', type: 'pkcs8' },
  });

  get publicKey(): string {
    return this.#keys.publicKey;
  }

  /** RSA PKCS#1 v1.5 over SHA-512. */
  signV2(method: string, path: string, query: string, body: string, time: string): string {
    const text = [method, path, sha512(body), this.appUuid, time, query].join('\n');
    return sign('sha512', Buffer.from(text), this.#keys.privateKey).toString('base64');
  }

  /** The private key's operation over the digest in hexadecimal. */
  signV1(method: string, path: string, body: string, time: string): string {
    const text = [method, path, body, this.appUuid, time].join('\n');
    const key = { key: this.#keys.privateKey, padding: constants.RSA_PKCS1_PADDING };
    return privateEncrypt(key, Buffer.from(sha512(text))).toString('base64');
  }

  headersV2(method: string, path: string, body = '', time = now()): Record<string, string> {
    const signature = this.signV2(method, path, '', body, time);
    return { 'MCC-Authentication': `MWSV2 ${this.appUuid}:${signature};`, 'MCC-Time': time };
  }

  headersV1(method: string, path: string, body = '', time = now()): Record<string, string> {
    const signature = this.signV1(method, path, body, time);
    return { 'X-MWS-Authentication': `MWS ${this.appUuid}:${signature}`, 'X-MWS-Time': time };
  }
}

interface Answer {
  readonly status: number | undefined;
  readonly headers: Record<string, unknown>;
  readonly text: string;
}

const us = new PlainClient();
const caller = new PlainClient();
const TOKEN = `/mauth/v1/security_tokens/${caller.appUuid}.json`;
const TICKETS = '/mauth/v1/authentication_tickets.json';

describe('A client without this package', () => {
  let service: FakeMAuthService;

  beforeAll(async () => {
    service = await FakeMAuthService.start();
    service.register(us.appUuid, us.publicKey).register(caller.appUuid, caller.publicKey);
    service.maxAge(900);
  });
  afterAll(() => service.stop());

  it.each(['headersV2', 'headersV1'] as const)('gets a public key, signed with %s', async (headers) => {
    const answer = await ask(service, 'GET', TOKEN, us[headers]('GET', TOKEN));
    expect(answer).toMatchObject({
      status: 200,
      headers: { 'content-type': 'application/json; charset=utf-8', 'cache-control': 'max-age=900, private' },
    });
    expect(JSON.parse(answer.text)).toMatchObject({
      security_token: { app_uuid: caller.appUuid, public_key_str: caller.publicKey },
    });
  });

  it('is told that there is no such app', async () => {
    const path = `/mauth/v1/security_tokens/${randomUUID()}.json`;
    await expect(ask(service, 'GET', path, us.headersV2('GET', path))).resolves.toMatchObject({
      status: 404,
    });
  });

  const time = now();
  const ticketV2 = {
    verb: 'POST',
    app_uuid: caller.appUuid,
    client_signature: caller.signV2('POST', '/studies', 'page=1', '{"a":1}', time),
    request_url: '/studies',
    request_time: time,
    query_string: 'page=1',
    token: 'MWSV2',
    b64encoded_body: Buffer.from('{"a":1}').toString('base64'),
  };
  const { query_string: _query, token: _token, ...plain } = ticketV2;
  const ticketV1 = { ...plain, client_signature: caller.signV1('POST', '/studies', '{"a":1}', time) };

  it.each<[string, number, object]>([
    ['V2, authentic', 204, ticketV2],
    ['V1, authentic', 204, ticketV1],
    ['V2 with another query', 412, { ...ticketV2, query_string: 'page=2' }],
    ['V1 with another body', 412, { ...ticketV1, b64encoded_body: '' }],
    ['of an unknown app', 404, { ...ticketV2, app_uuid: randomUUID() }],
    ['without anything', 404, {}],
  ])('has a ticket decided: %s: %i', async (_what, status, authentication_ticket) => {
    const body = JSON.stringify({ authentication_ticket });
    const answer = await ask(service, 'POST', TICKETS, us.headersV2('POST', TICKETS, body), body);
    expect(answer.status).toBe(status);
  });

  it.each<[string, string, Record<string, string>]>([
    ['that is not signed', 'not signed', {}],
    [
      'that an unknown app has signed',
      'the app that asks is unknown',
      new PlainClient().headersV2('GET', TOKEN),
    ],
    ['that was signed for another method', 'signature does not match', us.headersV2('POST', TOKEN)],
    ['that was signed for another path', 'signature does not match', us.headersV1('GET', TICKETS)],
    [
      'that was signed ten minutes ago',
      'signed at',
      us.headersV2('GET', TOKEN, '', String(Number(now()) - 600)),
    ],
    ['whose time is none', 'signed at', { ...us.headersV2('GET', TOKEN), 'MCC-Time': 'noon' }],
    ['whose header is noise', 'the app that asks is unknown', { 'MCC-Authentication': 'MWSV2' }],
  ])('is answered 401 for a question %s: %s', async (_what, refusal, headers) => {
    const { status } = await ask(service, 'GET', TOKEN, headers);
    expect(status).toBe(401);
    expect(service.calls.at(-1)?.refusal).toContain(refusal);
  });
});

function now(): string {
  return String(Math.floor(Date.now() / 1000));
}

function sha512(text: string): string {
  return createHash('sha512').update(text).digest('hex');
}

function ask(
  { url }: FakeMAuthService,
  method: string,
  path: string,
  headers: Record<string, string>,
  body?: string,
): Promise<Answer> {
  return new Promise((resolve, reject) => {
    const asking = request(url + path, { method, headers }, (response) => {
      let text = '';
      response.setEncoding('utf8').on('data', (piece: string) => (text += piece));
      response.on('end', () => resolve({ status: response.statusCode, headers: response.headers, text }));
    });
    asking.on('error', reject).end(body);
  });
}
