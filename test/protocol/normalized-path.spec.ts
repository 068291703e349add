import { normalizePath } from '../../lib/protocol/canonical-target.js';
import { removeDotSegments } from './reference.js';

describe('The path that V2 signs', () => {
  it.each<[string, string]>([
    // RFC 3986, section 5.2.4
    ['/a/b/c/./../../g', '/a/g'],
    // RFC 3986, section 5.4, merged with the base path /b/c/
    ['/b/c/g', '/b/c/g'],
    ['/b/c/./g', '/b/c/g'],
    ['/b/c/g/', '/b/c/g/'],
    ['/g', '/g'],
    ['/b/c/.', '/b/c/'],
    ['/b/c/./', '/b/c/'],
    ['/b/c/..', '/b/'],
    ['/b/c/../', '/b/'],
    ['/b/c/../g', '/b/g'],
    ['/b/c/../..', '/'],
    ['/b/c/../../', '/'],
    ['/b/c/../../g', '/g'],
    ['/b/c/../../../g', '/g'],
    ['/b/c/../../../../g', '/g'],
    ['/./g', '/g'],
    ['/../g', '/g'],
    ['/b/c/g.', '/b/c/g.'],
    ['/b/c/.g', '/b/c/.g'],
    ['/b/c/g..', '/b/c/g..'],
    ['/b/c/..g', '/b/c/..g'],
    ['/b/c/./../g', '/b/g'],
    ['/b/c/./g/.', '/b/c/g/'],
    ['/b/c/g/./h', '/b/c/g/h'],
    ['/b/c/g/../h', '/b/c/h'],
    ['/b/c/g;x=1/./y', '/b/c/g;x=1/y'],
    ['/b/c/g;x=1/../y', '/b/c/y'],
    // roots
    ['/', '/'],
    ['/.', '/'],
    ['/..', '/'],
    ['/./', '/'],
    ['/../', '/'],
    ['/../..', '/'],
    ['/a/..', '/'],
    ['/a/../..', '/'],
    ['/...', '/...'],
    ['/a/.../b', '/a/.../b'],
    ['/a./.b', '/a./.b'],
    // slashes
    ['//', '/'],
    ['//a', '/a'],
    ['/a//', '/a/'],
    ['///a///b///', '/a/b/'],
    ['/a/', '/a/'],
    // dot segments first, then slashes
    ['/x//../y', '/x/y'],
    ['/x///../y', '/x/y'],
    ['//../y', '/y'],
    ['///../y', '/y'],
    ['/x/.//y', '/x/y'],
    ['/a//..', '/a/'],
    ['/a//.', '/a/'],
    // escapes
    ['/%2e%2e/a', '/%2E%2E/a'],
    ['/%2f/%2F', '/%2F/%2F'],
    ['/%aa%99%a9%9a', '/%AA%99%A9%9A'],
    ['/%cF%Cf%CF', '/%cF%Cf%CF'],
    ['/%gg%2', '/%gg%2'],
    ['/%%2a', '/%%2A'],
    ['/%2', '/%2'],
    ['/%a%b0', '/%a%B0'],
    ['/A%c3%a9z', '/A%C3%A9z'],
    ['/a%2e/b/%2e', '/a%2E/b/%2E'],
    // nothing else is touched
    ['/a b"<>\\^`{|}~!$&\'()*+,;=:@', '/a b"<>\\^`{|}~!$&\'()*+,;=:@'],
    ['/caf\u00c3\u00a9\u00ff', '/caf\u00c3\u00a9\u00ff'],
    ['/a#b', '/a#b'],
    ['/a/b.json', '/a/b.json'],
  ])('of %s is %s', (path, normalized) => {
    expect(normalizePath(path)).toBe(normalized);
  });

  it('follows the algorithm of RFC 3986, step by step', () => {
    const parts = ['.', '..', '', 'a', '.a', '...'];
    for (const a of parts)
      for (const b of parts)
        for (const c of parts)
          for (const d of parts) {
            const path = `/${[a, b, c, d].join('/')}`;
            expect([path, normalizePath(path)]).toEqual([path, removeDotSegments(path).replace(/\/+/g, '/')]);
          }
  });
});
