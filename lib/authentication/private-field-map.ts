/** Returns the object that it is given, for a derived class to put its fields on. */
const Given = class {
  constructor(given: object) {
    return given;
  }
} as new (given: object) => object;

/** A value for each of many objects, which no other code can read or change. */
export interface PrivateFieldMap<K extends object, V> {
  get(key: K): V | undefined;
  /** To be called once for each object. */
  set(key: K, value: V): void;
}

/**
 * Does what a WeakMap does, by a private field on the object itself. There is one for each request that comes in, and a
 * WeakMap of that many short-lived keys keeps the garbage collector busier than the rest of our work on a request
 * without MAuth headers.
 */
export function privateFieldMap<K extends object, V>(): PrivateFieldMap<K, V> {
  // A class of its own each time: its private field is another one than those of other maps.
  return class Field extends Given {
    #value: V;

    constructor(key: K, value: V) {
      super(key);
      this.#value = value;
    }

    static get(key: K): V | undefined {
      // Like a WeakMap, which has nothing for what is no object, either.
      return typeof key === 'object' && key !== null && #value in key
        ? (key as unknown as Field).#value
        : undefined;
    }

    static set(key: K, value: V): void {
      new Field(key, value);
    }
  };
}
