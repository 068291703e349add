import { type KeyObject } from 'node:crypto';
import { MAuthUnableToAuthenticateError } from '../../lib/config/errors.js';
import { type FoundPublicKey, type PublicKeySource } from '../../lib/service/public-key-source.js';

/** One question that was asked, and what came of it. */
export interface AskedQuestion {
  readonly appUuid: string;
  readonly at: number;
  readonly outcome: 'key' | 'unknown' | 'failure';
}

/** A source in the same process, for as many questions or hours as no socket could serve within a test. */
export class SimulatedKeySource implements PublicKeySource {
  readonly asked: AskedQuestion[] = [];
  readonly keys = new Map<string, KeyObject>();
  maxAgeSeconds: number | undefined = 300;
  isDown = false;
  mostOpen = 0;
  /** Answers come when this has come about. */
  hangsUntil: Promise<unknown> = Promise.resolve();
  /** How long it thinks about each question. */
  latencyMs = 0;
  #open = 0;

  constructor(private readonly now: () => number) {}

  async fetch(appUuid: string): Promise<FoundPublicKey | undefined> {
    this.mostOpen = Math.max(this.mostOpen, ++this.#open);
    const key = this.keys.get(appUuid);
    const outcome = this.isDown ? 'failure' : key ? 'key' : 'unknown';
    this.asked.push({ appUuid, at: this.now(), outcome });
    await this.hangsUntil;
    if (this.latencyMs > 0) await new Promise((resolve) => setTimeout(resolve, this.latencyMs));
    this.#open--;
    if (outcome === 'failure') throw new MAuthUnableToAuthenticateError('service_unavailable', 'It is down.');
    return key && { key, maxAgeSeconds: this.maxAgeSeconds };
  }
}
