import { type KeyObject } from 'node:crypto';
import { Injectable } from '@nestjs/common';
import { type RegisteredApp } from '../registered-app.js';

/** The apps that the stand-in for the MAuth service knows, by UUID. */
@Injectable()
export class AppRegistry {
  readonly #publicKeys = new Map<string, KeyObject>();

  register({ appUuid, publicKey }: RegisteredApp): void {
    this.#publicKeys.set(appUuid, publicKey);
  }

  publicKeyOf(appUuid: string): KeyObject | undefined {
    return this.#publicKeys.get(appUuid);
  }
}
