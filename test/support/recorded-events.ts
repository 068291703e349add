import {
  type MAuthAuthenticatedEvent,
  type MAuthKeyFetchedEvent,
  type MAuthObserver,
  type MAuthSignedEvent,
} from '../../lib/core.js';

/** Keeps what it is told. */
export class RecordedEvents implements MAuthObserver {
  readonly decisions: MAuthAuthenticatedEvent[] = [];
  readonly signatures: MAuthSignedEvent[] = [];
  readonly keyFetches: MAuthKeyFetchedEvent[] = [];

  authenticated(event: MAuthAuthenticatedEvent): void {
    this.decisions.push(event);
  }

  signed(event: MAuthSignedEvent): void {
    this.signatures.push(event);
  }

  keyFetched(event: MAuthKeyFetchedEvent): void {
    this.keyFetches.push(event);
  }

  forget(): void {
    for (const list of [this.decisions, this.signatures, this.keyFetches]) list.length = 0;
  }
}
