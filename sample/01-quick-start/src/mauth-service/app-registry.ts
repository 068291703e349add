import { Injectable } from '@nestjs/common';
import { type RegisteredApp } from '../registered-app.js';

/** The apps that the stand-in for the MAuth service knows: their public keys, as PEM, by UUID. */
@Injectable()
export class AppRegistry {
  readonly #publicKeys = new Map<string, string>();

  register({ appUuid, publicKey }: Pick<RegisteredApp, 'appUuid' | 'publicKey'>): void {
    this.#publicKeys.set(appUuid, publicKey);
  }

  publicKeyOf(appUuid: string): string | undefined {
    return this.#publicKeys.get(appUuid);
  }
}
