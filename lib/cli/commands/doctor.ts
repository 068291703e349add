import { createPublicKey, type KeyObject } from 'node:crypto';
import { MAuthConfigurationError } from '../../config/errors.js';
import { resolveSettings } from '../../config/settings.js';
import { SecurityTokenClient } from '../../service/security-token-client.js';
import { loadPrivateKey } from '../../signing/own-private-key.js';
import { readConfiguration, type CommonFlags, type Configuration } from '../configuration.js';
import { exchange, type Answer } from '../exchange.js';
import { CommandFailure, EXIT } from '../exit-codes.js';
import { signerFor } from '../signer.js';
import { type Terminal } from '../terminal.js';

/** What one look found: a line for the user, and what the command exits with where it is wrong. */
interface Finding {
  readonly what: string;
  readonly text: string;
  readonly remedy?: string;
  readonly exitCode?: number;
}

/** Requests are refused beyond that. */
const DRIFT_SECONDS = 300;
/** Clocks that are kept in time stay far below. */
const NOTICEABLE_SECONDS = 10;

/** `mauth doctor`: looks at all that signing and authenticating need. */
export async function doctor(flags: CommonFlags & { timeout: string }, terminal: Terminal): Promise<number> {
  let worst: number = EXIT.done;
  for await (const finding of examine(flags)) {
    worst = Math.max(worst, finding.exitCode ?? EXIT.done);
    report(finding, terminal);
  }
  return worst;
}

function report({ what, text, remedy, exitCode }: Finding, terminal: Terminal): void {
  const [mark, style] =
    exitCode !== undefined
      ? (['FAIL', 'red'] as const)
      : remedy
        ? (['warn', 'yellow'] as const)
        : (['ok  ', 'green'] as const);
  terminal.print(`${mark}  ${what}: ${text}`, style);
  if (remedy) terminal.print(`      ${remedy}`);
}

async function* examine(flags: CommonFlags & { timeout: string }): AsyncGenerator<Finding> {
  let configuration: Configuration;
  let key: KeyObject;
  try {
    configuration = await readConfiguration(flags, ['appUuid', 'privateKey']);
    key = await ownKey(configuration);
  } catch (error) {
    if (!(error instanceof CommandFailure) && !(error instanceof MAuthConfigurationError)) throw error;
    const exitCode = error instanceof CommandFailure ? error.exitCode : EXIT.configuration;
    yield { what: 'own key', text: 'cannot be used', remedy: error.message, exitCode };
    return;
  }
  const bits = key.asymmetricKeyDetails?.modulusLength ?? 0;
  yield { what: 'own key', text: `RSA, ${bits} bits, of app ${configuration.appUuid}` };
  yield* examineService(configuration, key, Number(flags.timeout) * 1000 || 10_000);
}

async function ownKey(configuration: Configuration): Promise<KeyObject> {
  const key = await loadPrivateKey(configuration);
  return createPublicKey(key as KeyObject);
}

async function* examineService(
  configuration: Configuration,
  ownKey: KeyObject,
  timeoutMs: number,
): AsyncGenerator<Finding> {
  const { mauthUrl } = configuration;
  if (mauthUrl === undefined) {
    yield {
      what: 'MAuth service',
      text: 'not configured',
      remedy: 'Set --mauth-url, MAUTH_URL, or mauth_baseurl in mauth.yml.',
      exitCode: EXIT.configuration,
    };
    return;
  }
  const startedAt = performance.now();
  let answer: Answer;
  let client: SecurityTokenClient;
  try {
    client = new SecurityTokenClient(resolveSettings(configuration), signerFor(configuration));
    answer = await ask(configuration, timeoutMs);
  } catch (error) {
    if (error instanceof MAuthConfigurationError) {
      yield { what: 'MAuth service', text: 'refused', remedy: error.message, exitCode: EXIT.configuration };
      return;
    }
    if (!(error instanceof CommandFailure)) throw error;
    yield { what: 'MAuth service', text: 'unreachable', remedy: error.message, exitCode: EXIT.unreachable };
    return;
  }
  const milliseconds = Math.round(performance.now() - startedAt);
  yield { what: 'MAuth service', text: `${mauthUrl} answered with ${answer.status} in ${milliseconds} ms` };
  yield clock(answer);
  yield await registration(answer, configuration, ownKey, client);
  client.close();
}

/** Asks the service about this very app, as any look-up does. */
async function ask(configuration: Configuration, timeoutMs: number): Promise<Answer> {
  const { mauthUrl = '', apiVersion = 'v1', appUuid } = configuration;
  const url = new URL(`${mauthUrl.replace(/\/+$/, '')}/mauth/${apiVersion}/security_tokens/${appUuid}.json`);
  const target = url.pathname;
  const signature = await signerFor(configuration).signRequest({ method: 'GET', url: target });
  const headers: [string, string][] = [
    ['Host', url.host],
    ['Accept', 'application/json'],
    ...Object.entries(signature),
  ];
  const request = { method: 'GET', url, target, headers, body: Buffer.alloc(0) };
  return exchange(request, { timeoutMs, verifiesCertificate: true });
}

function clock({ headers }: Answer): Finding {
  const date = headers.find(([name]) => name.toLowerCase() === 'date')?.[1];
  const theirs = date === undefined ? NaN : Date.parse(date);
  if (Number.isNaN(theirs)) return { what: 'clock', text: 'the service does not tell the time' };
  const seconds = Math.round((Date.now() - theirs) / 1000);
  const text = `${Math.abs(seconds)} s ${seconds < 0 ? 'behind' : 'ahead of'} the service`;
  if (Math.abs(seconds) <= NOTICEABLE_SECONDS) return { what: 'clock', text };
  const remedy = `Requests are refused beyond ${DRIFT_SECONDS} s: let NTP keep the clock of this machine.`;
  return Math.abs(seconds) > DRIFT_SECONDS
    ? { what: 'clock', text, remedy, exitCode: EXIT.inauthentic }
    : { what: 'clock', text, remedy };
}

async function registration(
  { status }: Answer,
  { appUuid }: Configuration,
  ownKey: KeyObject,
  client: SecurityTokenClient,
): Promise<Finding> {
  const what = 'registration';
  if (status === 401 || status === 403) {
    return {
      what,
      text: `the service refuses this app (${status})`,
      remedy: `Register the public key of app ${appUuid}, or correct the app UUID, the key or the clock.`,
      exitCode: EXIT.inauthentic,
    };
  }
  try {
    const found = await client.fetch(appUuid.toLowerCase());
    if (found?.key.equals(ownKey)) return { what, text: 'the service knows this app with this public key' };
    return {
      what,
      text: found ? 'the service has another public key for this app' : 'the service does not know this app',
      remedy: found
        ? `Use the private key that was registered for app ${appUuid}, or register the new public key.`
        : `Register the public key of app ${appUuid} with the MAuth service.`,
      exitCode: EXIT.inauthentic,
    };
  } catch (error) {
    const { message } = error as Error;
    const remedy = 'Check the URL of the MAuth service and its state.';
    return { what, text: message, remedy, exitCode: EXIT.unreachable };
  }
}
