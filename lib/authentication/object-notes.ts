/** Hands out the object that it is given, for a derived class to put its fields on. */
const Given = class {
  constructor(given: object) {
    return given;
  }
} as new (given: object) => object;

/** Something written down with an object, where nobody else can see it, let alone change it. */
export interface ObjectNotes<K extends object, V> {
  get(key: K): V | undefined;
  /** To be called once for each object. */
  set(key: K, note: V): void;
}

/**
 * Does what a WeakMap does, by a private field on the object itself. There is one note for each request that comes in,
 * and a WeakMap of that many short-lived keys keeps the garbage collector busier than the rest of our work on a
 * request without MAuth headers.
 */
export function objectNotes<K extends object, V>(): ObjectNotes<K, V> {
  // A class of its own each time: its private field is another one than those of other notes.
  class Note extends Given {
    #note: V;

    constructor(key: K, note: V) {
      super(key);
      this.#note = note;
    }

    static get(key: K): V | undefined {
      // Like a WeakMap, which has nothing for what is no object, either.
      return typeof key === 'object' && key !== null && #note in key
        ? (key as unknown as Note).#note
        : undefined;
    }
  }
  return { get: (key) => Note.get(key), set: (key, note) => void new Note(key, note) };
}
