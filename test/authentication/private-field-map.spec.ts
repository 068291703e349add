import { privateFieldMap } from '../../lib/authentication/private-field-map.js';

describe('Notes on objects', () => {
  it('are found on the object itself, and by nobody else', () => {
    const [mine, others] = [privateFieldMap<object, string>(), privateFieldMap<object, string>()];
    const key = {};
    mine.set(key, 'noted');
    expect(mine.get(key)).toBe('noted');
    expect(others.get(key)).toBeUndefined();
    expect(mine.get(Object.create(key))).toBeUndefined();
    expect(Reflect.ownKeys(key)).toEqual([]);
  });

  it.each([[undefined], [null], ['text'], [1], [true], [Symbol('any')], [() => undefined]])(
    'are not on %p, and asking is no error',
    (key) => {
      expect(privateFieldMap<object, string>().get(key as never)).toBeUndefined();
    },
  );
});
