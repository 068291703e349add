import type * as KnownIdentity from '../../lib/authentication/identity.js';

function loadCopy(): typeof KnownIdentity {
  let copy!: typeof KnownIdentity;
  jest.isolateModules(() => {
    copy = jest.requireActual('../../lib/authentication/identity.js');
  });
  return copy;
}

describe('Who signed a message', () => {
  const [one, other] = [loadCopy(), loadCopy()];
  const identity = { appUuid: '5ff4257e-9c16-11e0-b048-0026bbfffe5e', protocolVersion: 2 } as const;

  it('is known to every copy of the package, and the last word counts', () => {
    const message = {};
    expect(one.rememberIdentity).not.toBe(other.rememberIdentity);
    one.rememberIdentity(message, { ...identity, protocolVersion: 1 });
    other.rememberIdentity(message, identity);
    expect(one.knownIdentity(message)).toEqual(identity);
    expect(other.knownIdentity(message)).toBe(one.knownIdentity(message));
  });

  it('belongs to that very object, frozen or not, and cannot be seen there', () => {
    const message = Object.freeze({ body: 'text' });
    one.rememberIdentity(message, identity);
    expect(Reflect.ownKeys(message)).toEqual(['body']);
    expect(one.knownIdentity({ ...message })).toBeUndefined();
    expect(one.knownIdentity(Object.create(message))).toBeUndefined();
    expect(Object.isFrozen(one.knownIdentity(message))).toBe(true);
  });

  it('is nobody where room was made and nothing was verified', () => {
    const message = {};
    one.reserveIdentity(message);
    expect(other.knownIdentity(message)).toBeUndefined();
  });
});
