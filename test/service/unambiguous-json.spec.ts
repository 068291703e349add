import fc from 'fast-check';
import { parseUnambiguousJson } from '../../lib/service/security-token-client.js';

describe('JSON that names each member once', () => {
  it('is read as JSON.parse reads it', () => {
    fc.assert(
      fc.property(fc.json({ maxDepth: 5 }), (text) => {
        expect(parseUnambiguousJson(text)).toEqual(JSON.parse(text));
      }),
    );
  });

  it.each([
    '{"a":1,"a":2}',
    '{"a":1,"b":{},"a":2}',
    '{"a":1,"\\u0061":2}',
    '[{"x":[{"a":"}","a":1}]}]',
    '{"":1 , "" : 2}',
    '{"__proto__":1,"__proto__":2}',
  ])('is not %s', (text) => {
    expect(() => parseUnambiguousJson(text)).toThrow(SyntaxError);
  });

  it.each([
    '{"a":{"a":{"a":1}}}',
    '[{"a":1},{"a":2}]',
    '{"a":"\\"a\\":1,","b":"{"}',
    '{"a":["a","a"]}',
    '"a"',
  ])('is %s', (text) => {
    expect(parseUnambiguousJson(text)).toEqual(JSON.parse(text));
  });
});
