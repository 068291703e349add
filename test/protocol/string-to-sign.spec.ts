import { createHash } from 'node:crypto';
import {
  isAppUuid,
  MalformedMessageError,
  stringToSign,
  type SignableMessage,
} from '../../lib/protocol/index.js';

const APP = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const TIME = 1585082925;
const hash = (body: string | Uint8Array) => createHash('sha512').update(body).digest('hex');
const of = (version: 1 | 2, message: object) =>
  stringToSign(version, { appUuid: APP, time: TIME, ...message } as SignableMessage).toString('latin1');

describe('The string to sign', () => {
  const request = { method: 'POST', url: '/a/../b?y=2&x=1', body: '{}' };

  it('of a V1 request is method, path as sent, body, app and time', () => {
    expect(of(1, request)).toBe(`POST\n/a/../b\n{}\n${APP}\n${TIME}`);
  });

  it('of a V2 request is method, normalised path, hash of the body, app, time and canonical query', () => {
    expect(of(2, request)).toBe(`POST\n/b\n${hash('{}')}\n${APP}\n${TIME}\nx=1&y=2`);
  });

  it('of a response is status, body or its hash, app and time', () => {
    expect(of(1, { status: 200, body: '{}' })).toBe(`200\n{}\n${APP}\n${TIME}`);
    expect(of(2, { status: 404, body: '{}' })).toBe(`404\n${hash('{}')}\n${APP}\n${TIME}`);
  });

  it('ends in a line feed and nothing where a V2 request has no query', () => {
    expect(of(2, { method: 'GET', url: '/' })).toBe(`GET\n/\n${hash('')}\n${APP}\n${TIME}\n`);
  });

  it.each([[undefined], [null], [''], [new Uint8Array(0)]])('takes the body %p for none', (body) => {
    expect(of(1, { method: 'GET', url: '/', body })).toBe(`GET\n/\n\n${APP}\n${TIME}`);
    expect(of(2, { method: 'GET', url: '/', body })).toBe(`GET\n/\n${hash('')}\n${APP}\n${TIME}\n`);
  });

  it('holds bytes as they are and text as UTF-8', () => {
    const bytes = Uint8Array.of(0, 10, 255);
    expect(of(1, { method: 'PUT', url: '/', body: bytes })).toBe(`PUT\n/\n\0\n\xff\n${APP}\n${TIME}`);
    expect(of(2, { method: 'PUT', url: '/', body: bytes })).toContain(hash(bytes));
    expect(of(1, { method: 'PUT', url: '/', body: '\u00e9' })).toBe(`PUT\n/\n\xc3\xa9\n${APP}\n${TIME}`);
    const view = Buffer.from('xxabyy').subarray(2, 4);
    expect(of(1, { method: 'PUT', url: '/', body: view })).toBe(`PUT\n/\nab\n${APP}\n${TIME}`);
  });

  it('holds the path as UTF-8 when it is text, and as it is when it is bytes', () => {
    expect(of(1, { method: 'GET', url: '/\u00e9' })).toBe(`GET\n/\xc3\xa9\n\n${APP}\n${TIME}`);
    expect(of(1, { method: 'GET', url: Buffer.from('/\xe9', 'latin1') })).toBe(
      `GET\n/\xe9\n\n${APP}\n${TIME}`,
    );
    const view = Buffer.from('xx/\u65e5yy').subarray(2, 6);
    expect(of(2, { method: 'GET', url: view })).toContain('GET\n/\xe6\x97\xa5\n');
  });

  it.each<[string, string, string]>([
    ['', '/', ''],
    ['?a', '/', 'a='],
    ['/', '/', ''],
    ['/a?b?c', '/a', 'b%3Fc='],
    ['/a#b?c', '/a#b', 'c='],
    ['//example.com/a', '//example.com/a', ''],
    ['https://example.com', '/', ''],
    ['https://example.com?a', '/', 'a='],
    ['https://example.com/', '/', ''],
    ['https://example.com:8443//a/../b?c=d', '//a/../b', 'c=d'],
    ['HTTP://user:secret@example.com/a', '/a', ''],
    ['http://[::1]:80/a', '/a', ''],
    ['https://example.com/%2e%2e/\\a', '/%2e%2e/\\a', ''],
    ['http+unix://%2Fsocket/a', '/a', ''],
  ])('of the URL %j holds the path %j and the query %j, cut as text', (url, path, query) => {
    expect(of(1, { method: 'GET', url })).toBe(`GET\n${path}\n\n${APP}\n${TIME}`);
    expect(of(2, { method: 'GET', url })).toMatch(new RegExp(`\\n${query.replace(/[?.]/g, '\\$&')}$`));
  });

  it('holds the app as it is spelled, and the time as text or number', () => {
    const upper = APP.toUpperCase();
    expect(of(1, { status: 200, appUuid: upper, time: '1585082925' })).toBe(`200\n\n${upper}\n${TIME}`);
  });
});

describe('There is no string to sign', () => {
  const good = { method: 'GET', url: '/', appUuid: APP, time: TIME };

  it.each<[string, object, string]>([
    ['a method in lower case', { method: 'get' }, 'malformed_method'],
    ['a method with a line feed', { method: 'GET\n/a' }, 'malformed_method'],
    ['a method that ends in a line feed', { method: 'GET\n' }, 'malformed_method'],
    ['an empty method', { method: '' }, 'malformed_method'],
    ['a method of digits', { method: '200' }, 'malformed_method'],
    ['no method', { method: undefined }, 'malformed_method'],
    ['a line feed in the path', { url: '/a\nb' }, 'malformed_url'],
    ['a line feed in the query', { url: '/a?b\nc' }, 'malformed_url'],
    ['a line feed in an absolute URL', { url: 'http://example.com\n/a' }, 'malformed_url'],
    ['NUL in the path', { url: '/\0' }, 'malformed_url'],
    ['a delete character', { url: '/\x7f' }, 'malformed_url'],
    ['a tab', { url: '/a?\t' }, 'malformed_url'],
    ['a relative path', { url: 'a' }, 'malformed_url'],
    ['an asterisk', { url: '*' }, 'malformed_url'],
    ['a scheme without an authority', { url: 'mailto:someone' }, 'malformed_url'],
    ['a backslash behind the authority', { url: 'https://example.com\\a/b' }, 'malformed_url'],
    ['white space in the authority', { url: 'https://example.com /a' }, 'malformed_url'],
    ['a fragment behind the authority', { url: 'https://example.com#a' }, 'malformed_url'],
    ['no URL', { url: undefined }, 'malformed_url'],
    ['a URL object', { url: new URL('http://example.com/') }, 'malformed_url'],
    ['a body that is an object', { body: {} }, 'malformed_body'],
    ['a body that is a number', { body: 0 }, 'malformed_body'],
    ['a body that is an ArrayBuffer', { body: new ArrayBuffer(1) }, 'malformed_body'],
    ['an app that is no UUID', { appUuid: 'a' }, 'malformed_app_uuid'],
    ['an app with a line feed', { appUuid: `${APP}\n` }, 'malformed_app_uuid'],
    ['no app', { appUuid: undefined }, 'malformed_app_uuid'],
    ['a time with a line feed', { time: `${TIME}\n` }, 'malformed_time'],
    ['a time that is no number', { time: NaN }, 'malformed_time'],
    ['a time with a fraction', { time: 1.5 }, 'malformed_time'],
    ['a time before 1970', { time: -1 }, 'malformed_time'],
    ['the time 0', { time: 0 }, 'malformed_time'],
    ['a time in milliseconds', { time: 1_585_082_925_000 }, 'malformed_time'],
    ['a status of two digits', { status: 99 }, 'malformed_status'],
    ['a status of four digits', { status: 1000 }, 'malformed_status'],
    ['a status with a fraction', { status: 200.5 }, 'malformed_status'],
    ['a status that is text', { status: '200' }, 'malformed_status'],
  ])('with %s', (_, change, code) => {
    for (const version of [1, 2] as const) {
      const make = () => stringToSign(version, { ...good, ...change });
      expect(make).toThrow(MalformedMessageError);
      expect(make).toThrow(expect.objectContaining({ code, name: 'MalformedMessageError' }));
    }
  });
});

describe('A UUID of an app', () => {
  it.each([APP, APP.toUpperCase(), '00000000-0000-0000-0000-000000000000'])('is %s', (text) => {
    expect(isAppUuid(text)).toBe(true);
  });

  it.each([
    undefined,
    null,
    1,
    [APP],
    '',
    `${APP}\n`,
    ` ${APP}`,
    APP.slice(1),
    `{${APP}}`,
    APP.replace('5', 'g'),
  ])('is not %p', (value) => {
    expect(isAppUuid(value)).toBe(false);
  });
});
