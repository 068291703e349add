import { isAmbiguousPath, pathOf } from '../../lib/inbound/path-policy.js';

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
    'http://host/a',
    'a',
    '*',
    '',
  ])('refuses %j', (target) => {
    expect(isAmbiguousPath(target)).toBe(true);
    expect(isAmbiguousPath(`${target}?q=1`)).toBe(true);
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
    '/?/../x',
    '/a?file=../../x&y=%2e%2e%5c%00\\',
  ])('lets %j pass', (target) => {
    expect(isAmbiguousPath(target)).toBe(false);
  });

  it('takes for the path what is before the first question mark, undecoded', () => {
    expect(pathOf('/a%3fb?c?d')).toBe('/a%3fb');
    expect(pathOf('/a#b')).toBe('/a#b');
  });
});
