import { objectNotes } from '../../lib/authentication/object-notes.js';

describe('Notes on objects', () => {
  it('are found on the object itself, and by nobody else', () => {
    const [mine, others] = [objectNotes<object, string>(), objectNotes<object, string>()];
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
      expect(objectNotes<object, string>().get(key as never)).toBeUndefined();
    },
  );
});
