import { type MAuthOptions, type MAuthSettings } from '../../lib/config/options.js';
import { resolveSettings } from '../../lib/config/settings.js';
import { MAuthSigner } from '../../lib/signing/mauth-signer.js';
import { type TestApp } from './test-app.js';

/** Collects log lines instead of printing them. */
export function collectingLogger(): { lines: string[]; log: Log; warn: Log; error: Log } {
  const lines: string[] = [];
  const write: Log = (line) => void lines.push(line);
  return { lines, log: write, warn: write, error: write };
}

type Log = (line: string) => void;

/** Settings and signer of an app that asks a MAuth service. */
export function settingsOf(
  app: TestApp,
  options: Partial<MAuthOptions>,
): { settings: MAuthSettings; signer: MAuthSigner } {
  const complete: MAuthOptions = {
    appUuid: app.appUuid,
    privateKey: app.privateKey,
    signVersions: 'v2',
    logger: collectingLogger(),
    ...options,
  };
  // The stand-in runs by the real time, so what is signed for it does too, also where the cache's clock is simulated.
  return { settings: resolveSettings(complete), signer: new MAuthSigner({ ...complete, now: undefined }) };
}
