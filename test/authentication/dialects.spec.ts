import { accepted, alice, createWorld, refused, signedHeaders } from './signed-by-hand.js';

/** What becomes of a V2 request whose signature is one over this path and this text of its query. */
function authenticate(url: string, query: string, path = '/s') {
  const headers = signedHeaders(2, alice, { method: 'GET', path, query, body: '' });
  return createWorld().authenticator.authenticateRequest({ method: 'GET', url, headers, body: null });
}

describe('A V2 request is accepted', () => {
  it.each<[string, string, string]>([
    ['as Ruby signs it', '/s?b=2&a=/&&', 'a=%2F&b=2'],
    ['as Python signs slashes', '/s?b=2&a=%2F', 'a=/&b=2'],
    ['as Python signs slashes and a trailing empty piece', '/s?a=/&', '=&a=/'],
    ['as Rust signs a trailing empty piece', '/s?a=/&', '=&a=%2F'],
    ['as Java drops empty pieces', '/s?a&&b', 'a=&b='],
    ['as Java sorts', '/s?%F0%9F%98%80&%EF%BF%BD', '%F0%9F%98%80=&%EF%BF%BD='],
  ])('%s', async (_, url, query) => {
    expect(await authenticate(url, query)).toEqual(accepted(alice, 2));
  });
});

describe('A V2 request is refused, for the text of its query or path would stand for others as well,', () => {
  it.each<[string, string, string]>([
    ['with text behind a second equals sign dropped', '/s?a=b=c', 'a=b'],
    ['with an escaped plus as a space', '/s?a=%2B', 'a=%20'],
    ['with bytes that are no text replaced', '/s?a=%FF', 'a=%EF%BF%BD'],
    ['with escapes that are escaped', '/s?a=%20', 'a=%2520'],
    ['with pairs in the order in which they came', '/s?b=1&a=2', 'b=1&a=2'],
    ['with its raw query', '/s?a=%2f', 'a=%2f'],
    ['with its query left out', '/s?a=1', ''],
    ['with a query where there is none', '/s', '='],
    ['with slashes left where Java drops pieces', '/s?a=/&&b', 'a=/&b='],
  ])('%s', async (_, url, query) => {
    expect(await authenticate(url, query)).toEqual(refused('signature_mismatch'));
  });

  it.each<[string, string, string]>([
    ['with slashes squeezed before dot segments are removed', '/x//../y', '/y'],
    ['with parameters of its last segment dropped', '/a;b', '/a'],
    ['with an escaped slash decoded', '/a%2Fb', '/a/b'],
    ['with escaped dots taken for dots', '/a/%2e%2e/b', '/b'],
    ['with its path as sent', '/a/../b', '/a/../b'],
    ['with another case of an escape', '/%cF', '/%CF'],
  ])('%s', async (_, url, path) => {
    expect(await authenticate(url, '', path)).toEqual(refused('signature_mismatch'));
  });
});

it('A V1 request is refused when it was signed over the decoded path', async () => {
  const headers = signedHeaders(1, alice, { method: 'GET', path: '/a/b', body: '' });
  const request = { method: 'GET', url: '/a%2Fb', headers, body: null };
  expect(await createWorld().authenticator.authenticateRequest(request)).toEqual(
    refused('signature_mismatch'),
  );
});
