import { type MAuthAuthenticatedEvent, type MAuthObserver } from 'nestjs-mauth';

/** Counts refusals by their code. */
export class RefusalsObserver implements MAuthObserver {
  readonly counts = new Map<string, number>();

  authenticated({ outcome, code = 'none' }: MAuthAuthenticatedEvent): void {
    if (outcome !== 'authentic') this.counts.set(code, (this.counts.get(code) ?? 0) + 1);
  }
}
