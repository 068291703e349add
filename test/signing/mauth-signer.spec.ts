import { createHash } from 'node:crypto';
import {
  MAuthSigner,
  MAuthUnableToSignError,
  type MAuthRequestToSign,
  type MAuthSignOverrides,
} from '../../lib/core.js';
import { verifySignature } from '../../lib/protocol/index.js';
import { createTestApp } from '../support/test-app.js';

const app = createTestApp();
const { appUuid, privateKey, publicKey } = app;
const NOW = 1_763_700_000;
const signer = new MAuthSigner({ appUuid, privateKey, signVersions: 'v1,v2', now: () => NOW * 1000 + 999 });
const hash = (body: string) => createHash('sha512').update(body).digest('hex');

const V1 = ['X-MWS-Authentication', 'X-MWS-Time'];
const V2 = ['MCC-Authentication', 'MCC-Time'];

function holds(version: 1 | 2, headers: Record<string, string>, text: string): boolean {
  const [name, pattern] =
    version === 1 ? [V1[0], /^MWS (\S{36}):(\S+)$/] : [V2[0], /^MWSV2 (\S{36}):(\S+);$/];
  const [, uuid, base64] = pattern.exec(headers[name]) as unknown as string[];
  expect(uuid).toBe(appUuid);
  return verifySignature(version, publicKey, Buffer.from(text), Buffer.from(base64, 'base64'));
}

describe('A signed request', () => {
  const request = { method: 'POST', url: '/a/../b?y=2&x=1', body: 'body' };

  it('carries both versions over one time when told to', async () => {
    const headers = await signer.signRequest(request);
    expect(Object.keys(headers)).toEqual([...V1, ...V2]);
    expect([headers['X-MWS-Time'], headers['MCC-Time']]).toEqual([String(NOW), String(NOW)]);
    expect(holds(1, headers, `POST\n/a/../b\nbody\n${appUuid}\n${NOW}`)).toBe(true);
    expect(holds(2, headers, `POST\n/b\n${hash('body')}\n${appUuid}\n${NOW}\nx=1&y=2`)).toBe(true);
  });

  it.each(['v1', 'v2', 'v1,v2'])('is signed with %s in pieces as it is as a whole', async (signVersions) => {
    const sameTime = new MAuthSigner({ appUuid, privateKey, signVersions, now: () => NOW * 1000 });
    const { method, url } = request;
    for (const pieces of [[], [''], ['body'], ['bo', Buffer.from('dy')], ['b\u00f6', '', 'dy']]) {
      const body = Buffer.concat(pieces.map((piece) => Buffer.from(piece as string)));
      expect(await sameTime.signRequestInPieces({ method, url }, pieces)).toEqual(
        await sameTime.signRequest({ method, url, body }),
      );
    }
  });

  it('carries V1 unless told otherwise', async () => {
    const plain = new MAuthSigner({ appUuid, privateKey });
    expect(plain.signVersions).toBe('v1');
    expect(Object.keys(await plain.signRequest(request))).toEqual(V1);
  });

  it.each([
    ['v1', V1],
    ['v2', V2],
    ['v1,v2', [...V1, ...V2]],
    [' V2 , V1 ', [...V1, ...V2]],
  ])('carries %j when the call says so', async (signVersions, names) => {
    expect(Object.keys(await signer.signRequest(request, { signVersions }))).toEqual(names);
  });

  it('carries the time of the call', async () => {
    const headers = await signer.signRequest(request, { time: 1 });
    expect([headers['X-MWS-Time'], headers['MCC-Time']]).toEqual(['1', '1']);
  });

  it('carries the time of the computer where there is no other clock', async () => {
    const before = Math.floor(Date.now() / 1000);
    const headers = await new MAuthSigner({ appUuid, privateKey }).signRequest(request);
    expect(Number(headers['X-MWS-Time'])).toBeGreaterThanOrEqual(before);
    expect(Number(headers['X-MWS-Time'])).toBeLessThanOrEqual(Date.now() / 1000);
  });

  it('has no body unless there is one', async () => {
    const headers = await signer.signRequest({ method: 'GET', url: '/' });
    expect(holds(1, headers, `GET\n/\n\n${appUuid}\n${NOW}`)).toBe(true);
    expect(holds(2, headers, `GET\n/\n${hash('')}\n${appUuid}\n${NOW}\n`)).toBe(true);
  });

  it('is signed as a request, also when the object has a status', async () => {
    const headers = await signer.signRequest({ method: 'GET', url: '/', status: 200 } as MAuthRequestToSign);
    expect(holds(1, headers, `GET\n/\n\n${appUuid}\n${NOW}`)).toBe(true);
  });

  it('names the app as it was given', async () => {
    const upper = new MAuthSigner({ appUuid: appUuid.toUpperCase(), privateKey });
    expect(upper.appUuid).toBe(appUuid.toUpperCase());
    expect((await upper.signRequest(request))['X-MWS-Authentication']).toContain(
      `MWS ${appUuid.toUpperCase()}:`,
    );
  });
});

describe('A signed response', () => {
  it('carries both versions when told to', async () => {
    const headers = await signer.signResponse({ status: 404, body: 'body' });
    expect(Object.keys(headers)).toEqual([...V1, ...V2]);
    expect(holds(1, headers, `404\nbody\n${appUuid}\n${NOW}`)).toBe(true);
    expect(holds(2, headers, `404\n${hash('body')}\n${appUuid}\n${NOW}`)).toBe(true);
  });

  it('carries the version and the time of the call', async () => {
    const headers = await signer.signResponse({ status: 204 }, { time: 7, signVersions: 'v2' });
    expect(Object.keys(headers)).toEqual(V2);
    expect(holds(2, headers, `204\n${hash('')}\n${appUuid}\n7`)).toBe(true);
  });
});

describe('Nothing is signed', () => {
  const good = { method: 'GET', url: '/' };

  it.each<[string, object, MAuthSignOverrides | undefined, string]>([
    ['with a line feed in the method', { method: 'GET\n/x' }, undefined, 'malformed_method'],
    ['with a method in lower case', { method: 'get' }, undefined, 'malformed_method'],
    ['with a line feed in the path', { url: '/a\nb' }, undefined, 'malformed_url'],
    ['with a carriage return in the query', { url: '/a?\r' }, undefined, 'malformed_url'],
    ['with NUL in the path', { url: '/\0' }, undefined, 'malformed_url'],
    ['for an asterisk', { url: '*' }, undefined, 'malformed_url'],
    ['without a URL', { url: undefined }, undefined, 'malformed_url'],
    ['with a body that is neither bytes nor text', { body: { a: 1 } }, undefined, 'malformed_body'],
    ['with a body that is a stream', { body: process.stdin }, undefined, 'malformed_body'],
    ['with a time with a line feed', {}, { time: '1\n' as unknown as number }, 'malformed_time'],
    ['with a time that is none', {}, { time: NaN }, 'malformed_time'],
    ['with a time in milliseconds', {}, { time: NOW * 1000 }, 'malformed_time'],
    ['with unknown versions', {}, { signVersions: 'v3' }, 'malformed_sign_versions'],
    ['with no versions', {}, { signVersions: '' }, 'malformed_sign_versions'],
    ['with versions that are no text', {}, { signVersions: null as never }, 'malformed_sign_versions'],
  ])('%s', async (_, change, overrides, code) => {
    const signing = signer.signRequest({ ...good, ...change }, overrides);
    await expect(signing).rejects.toBeInstanceOf(MAuthUnableToSignError);
    await expect(signing).rejects.toMatchObject({ code, name: 'MAuthUnableToSignError' });
  });

  it('as a response without a status', async () => {
    await expect(signer.signResponse({ status: 20 })).rejects.toMatchObject({ code: 'malformed_status' });
    await expect(signer.signResponse({ ...good } as never)).rejects.toMatchObject({
      code: 'malformed_status',
    });
  });

  it('says why, and keeps the cause', async () => {
    await expect(signer.signRequest({ ...good, method: 'get' })).rejects.toMatchObject({
      message: 'The message cannot be signed: method must be upper-case letters, such as GET.',
      cause: expect.objectContaining({ code: 'malformed_method' }),
    });
  });

  it('where the clock shows nothing', async () => {
    const lost = new MAuthSigner({ appUuid, privateKey, now: () => NaN });
    await expect(lost.signRequest(good)).rejects.toMatchObject({ code: 'malformed_time' });
  });

  it('without a private key', async () => {
    const keyless = new MAuthSigner({ appUuid, findPublicKey: () => undefined });
    await keyless.ready();
    await expect(keyless.signRequest(good)).rejects.toMatchObject({
      code: 'no_private_key',
      message: 'Set `privateKey` or `privateKeyFile` to sign.',
    });
  });
});
