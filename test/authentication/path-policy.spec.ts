import { isAmbiguousTarget, isReadAsLatin1, pathOf } from '../../lib/authentication/path-policy.js';
import { accepted, alice, createWorld, refused, signedHeaders, type Version } from './signed-by-hand.js';

const PIECES = (count: number) => `/a?${'x&'.repeat(count - 1)}x`;

describe('The strict path policy', () => {
  it.each([
    '/.',
    '/..',
    '/a/.',
    '/a/..',
    '/a/../b',
    '/./a',
    '/%2e',
    '/%2E%2e/a',
    '/a/.%2e/b',
    '/a%2f..%2fb',
    '/a/..%2Fb',
    '/a%2F.',
    '/a\\b',
    '/a%5cb',
    '/a%5Cb',
    '/a\0b',
    '/a%00',
    '/a#b',
    '/#',
    '/a\u00a0',
    'http://host/a',
    'a',
    '*',
    '',
  ])('refuses the path %j, with and without a query', (target) => {
    expect(isAmbiguousTarget(target)).toBe(true);
    expect(isAmbiguousTarget(`${target}?q=1`)).toBe(true);
  });

  it.each([
    '/',
    '//',
    '/a//b',
    '/a.b/c..d/e...',
    '/...',
    '/.well-known/x',
    '/a/..b/.c/d.',
    '/a%2fb',
    '/%252e%252e/a',
    '/%25%32%65/a',
    '/%2',
    '/a%zz',
    '/a%23b',
    '/caf\u00c3\u00a9',
    '/a\u00a0b',
    '/a;b=1,c',
    '/?/../x',
    '/a?file=../../x&y=%2e%2e%5c%00\\',
  ])('lets %j pass', (target) => {
    expect(isAmbiguousTarget(target)).toBe(false);
  });

  it.each([
    ['a number sign', '/a?b#c'],
    ['a number sign at its end', '/a?#'],
    ['a question mark in front', '/a??b=1'],
    ['brackets that close in a value', '/a?b=c]=d'],
    ['the same, escaped', '/a?b=c%5D=d'],
    ['the same, escaped in lower case, later in the query', '/a?b&c==%5d=&d'],
    ['a broken escape before another one in a value', '/a?b=%zz%20'],
    ['a value that is no UTF-8, with an escape in lower case', '/a?b=%e9'],
    ['a value that is no UTF-8, with an escape that it does not need', '/a?b=%E9%61'],
    ['a value that is no UTF-8, with a plus', '/a?b=%E9+x'],
    ['a value that is no UTF-8, with a character that V2 escapes', '/a?b=%E9:x'],
    ['a name that is no UTF-8, with an escape that it does not need', '/a?x=1&%61%ff=1'],
    ['UTF-8 behind which a byte is missing', '/a?b=%F0%9f%98'],
    ['a broken escape behind another one in a value', '/a?b=%20=%2'],
    ['a broken escape beside another one in a name', '/a?%%20=b'],
    ['more pieces than Express looks at', PIECES(1001)],
    ['more empty pieces than Express looks at', `/a?${'&'.repeat(1000)}`],
  ])('refuses a query with %s', (_, target) => {
    expect(isAmbiguousTarget(target)).toBe(true);
  });

  it.each([
    ['brackets in a name', '/a?b[c][]=d&e%5Bf%5d=g'],
    ['brackets in a name without a value', '/a?b]&c=d'],
    ['brackets in a value', '/a?b=c]&d==]'],
    ['brackets behind which the name ends, and an equals sign', '/a?b]=='],
    ['what ends like escaped brackets', '/a?b=5D=c&d=%5=e'],
    ['broken escapes alone', '/a?b=100%&c=%zz+%'],
    ['what is no UTF-8, spelled as V2 spells it', '/a?%E9=%FF-x&y=%C3'],
    ['UTF-8 in whatever spelling', '/a?%c3%a9=%F0%9f%98%80+%61'],
    ['a broken escape in a name, and another one in its value', '/a?%=%20&%20=%'],
    ['a broken escape in one piece, and another one in the next', '/a?%&%20'],
    ['question marks within', '/a?b?=c?d'],
    ['bytes that are no text', '/a?b=%FF'],
    ['text that was decoded on its way', '/a?\u1234=b'],
    ['as many pieces as Express looks at', PIECES(1000)],
  ])('lets a query with %s pass', (_, target) => {
    expect(isAmbiguousTarget(target)).toBe(false);
  });

  it.each([
    ['/a?b=caf\u00c3\u00a9', true],
    ['/a?\u0080', true],
    ['/a?b=caf%C3%A9', false],
    ['/caf\u00c3\u00a9?b', false],
    ['/caf\u00c3\u00a9', false],
  ])('knows whether servers read bytes of the query of %j as Latin-1: %p', (target, isLatin1) => {
    expect(isReadAsLatin1(target)).toBe(isLatin1);
  });

  it('takes for the path what is before the first question mark, undecoded', () => {
    expect(pathOf('/a%3fb?c?d')).toBe('/a%3fb');
    expect(pathOf('/a#b')).toBe('/a#b');
  });
});

describe('MAuthAuthenticator', () => {
  const TARGETS = [
    ['an escaped dot segment', '/public/%2E%2E/admin', ''],
    ['a backslash', '/a\\b', ''],
    ['a number sign in the path', '/a#b', ''],
    ['a number sign in the query', '/a?b=1#c', 'b=1%23c'],
  ] as const;

  describe.each(
    ([1, 2] as const).flatMap((version) => TARGETS.map((target) => [version, ...target] as const)),
  )('given a V%i request with %s', (version: Version, _title, url, query) => {
    const path = pathOf(url);
    const headers = signedHeaders(version, alice, { method: 'GET', path, query, body: '' });
    const request = { method: 'GET', url, headers, body: null };

    it.each([{}, { pathPolicy: undefined }, { pathPolicy: 'protocol' }] as const)(
      'accepts it with %j',
      async (options) => {
        const { authenticator } = createWorld(options);
        expect(await authenticator.authenticateRequest(request)).toEqual(accepted(alice, version));
      },
    );

    it('refuses it with `pathPolicy: strict`, says so in the log, and asks for no key', async () => {
      const { authenticator, log, asked } = createWorld({ pathPolicy: 'strict' });
      expect(await authenticator.authenticateRequest(request)).toEqual(refused('ambiguous_path'));
      expect(log.lines.at(-1)).toContain(`from app ${alice.appUuid} is inauthentic (ambiguous_path)`);
      expect(asked).toEqual([]);
    });
  });

  it('says of a request that is refused anyway what it would have said', async () => {
    const { authenticator } = createWorld({ pathPolicy: 'strict' });
    const request = { method: 'GET', url: '/a#b', headers: {}, body: null };
    expect(await authenticator.authenticateRequest(request)).toEqual(refused('missing_headers'));
  });
});
