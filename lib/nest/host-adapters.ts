import { type HttpServer } from '@nestjs/common';
import { type HttpAdapterHost } from '@nestjs/core';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';

/** Whose hooks stand in one HTTP adapter: they stay there, and ask each time for whom. */
export class Installation<Owner, Installed> {
  installed?: Installed;

  constructor(public owner: Owner) {}
}

/**
 * The HTTP adapters that a host is given one after the other, and who serves each of them.
 *
 * An application has one adapter. A testing builder that is compiled again makes all providers anew, but keeps the
 * host, with the adapter of the application before, and also keeps the global guards that it made before. So each new
 * adapter goes to the newest owner, an adapter that is served already stays where it is, and an owner can find the
 * others, of whose requests the guards of another compilation may ask it.
 */
export class HostAdapters<Owner, Installed> {
  readonly #owners: Owner[] = [];
  readonly #installations = new WeakMap<HttpServer, Installation<Owner, Installed>>();

  /** All that were made for this host, in order. */
  get owners(): readonly Owner[] {
    return this.#owners;
  }

  /**
   * @param announce called for the adapter that the host has, if that has no owner yet, and for each adapter that it
   * is given later
   */
  join(host: HttpAdapterHost, owner: Owner, announce: (adapter: HttpServer) => void): void {
    this.#owners.push(owner);
    const present = host.httpAdapter as HttpServer | null | undefined;
    if (present && !this.#installations.has(present)) announce(present);
    onAdapterSet(host, announce);
  }

  /**
   * Makes the owner serve the adapter from now on.
   *
   * @param install puts hooks into the adapter that ask the installation for its present owner; called once for each adapter
   * @returns what was installed, now or for another owner
   */
  take(
    adapter: HttpServer,
    owner: Owner,
    install: (installation: Pick<Installation<Owner, Installed>, 'owner'>) => Installed,
  ): Installed | undefined {
    const known = this.#installations.get(adapter);
    if (known) {
      known.owner = owner;
      return known.installed;
    }
    const installation = new Installation<Owner, Installed>(owner);
    this.#installations.set(adapter, installation);
    installation.installed = install(installation);
    return installation.installed;
  }
}

/** `host.init$` tells of the first adapter only, and completes; the property is set each time. */
function onAdapterSet(host: HttpAdapterHost, announce: (adapter: HttpServer) => void): void {
  const accessor = accessorOf(host);
  const set = ownProperty(accessor, 'set');
  if (!accessor || !set) return;
  const announcing = {
    ...accessor,
    configurable: true,
    set(this: HttpAdapterHost, adapter: HttpServer | null) {
      set.call(this, adapter);
      if (adapter) announce(adapter);
    },
  };
  Object.defineProperty(host, 'httpAdapter', ownProperties(announcing));
}

function accessorOf(host: object): PropertyDescriptor | undefined {
  for (let one: object | null = host; one; one = Object.getPrototypeOf(one) as object | null) {
    const descriptor = Object.getOwnPropertyDescriptor(one, 'httpAdapter');
    if (descriptor) return descriptor;
  }
  return undefined;
}
