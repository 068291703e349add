import { type OnApplicationShutdown, type OnModuleInit } from '@nestjs/common';
import { type AuthenticationTicketClient } from '../service/authentication-ticket-client.js';
import { type MAuthKeyCache } from '../keys/mauth-key-cache.js';

/** Fetches the keys that are wanted from the start, and lets go of the MAuth service when the application ends. */
export class MAuthLifecycle implements OnModuleInit, OnApplicationShutdown {
  constructor(
    private readonly keys: Pick<MAuthKeyCache, 'warmUp' | 'close'> | undefined,
    private readonly tickets: Pick<AuthenticationTicketClient, 'close'> | undefined,
  ) {}

  async onModuleInit(): Promise<void> {
    await this.keys?.warmUp();
  }

  onApplicationShutdown(): void {
    this.keys?.close();
    this.tickets?.close();
  }
}
