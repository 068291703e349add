import { MAuthAuthenticator } from '../../authentication/mauth-authenticator.js';
import { readCaptured, type CapturedFlags } from '../captured/read-captured.js';
import { presentedBy, secondsFrom } from '../captured/presented.js';
import { EXIT } from '../exit-codes.js';
import { publicKeyOf, type PublicKeyFlags } from '../public-key.js';
import { type Terminal } from '../terminal.js';

export interface VerifyFlags extends CapturedFlags, PublicKeyFlags {
  readonly now?: string;
  readonly json?: boolean;
}

/** `mauth verify`: whether a recorded request is authentic. */
export async function verify(
  file: string | undefined,
  flags: VerifyFlags,
  terminal: Terminal,
): Promise<number> {
  const request = await readCaptured(file, flags);
  const { appUuid, time } = presentedBy(request.headers);
  const now = secondsFrom(flags.now) ?? time;
  const publicKey = await publicKeyOf(appUuid, flags);
  const authenticator = new MAuthAuthenticator({
    appUuid: appUuid ?? NO_APP,
    findPublicKey: () => publicKey,
    logAttempts: false,
    logger: { log: () => undefined, warn: () => undefined, error: () => undefined },
    ...(now === undefined ? {} : { now: () => now * 1000 }),
  });
  const result = await authenticator.authenticateRequest(request);
  const code = result.authentic ? undefined : result.code;
  if (flags.json) {
    terminal.print(JSON.stringify({ authentic: result.authentic, appUuid, code, signedAt: time }));
  } else if (result.authentic) {
    terminal.print(
      `authentic: signed by ${result.appUuid}, V${result.protocolVersion}, ${dateOf(time)}`,
      'green',
    );
  } else {
    terminal.print(`not authentic: ${code}`, 'red');
    if (code === 'signature_mismatch') terminal.note('"mauth explain" with the same arguments says why.');
  }
  if (result.authentic) return EXIT.done;
  return result.status === 401 ? EXIT.inauthentic : EXIT.undecided;
}

const NO_APP = '00000000-0000-4000-8000-000000000000';

function dateOf(seconds: number | undefined): string {
  return seconds === undefined ? 'at no time' : new Date(seconds * 1000).toISOString();
}
