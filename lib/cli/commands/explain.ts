import { explainRequest } from '../../explain/explain-request.js';
import { type Explanation } from '../../explain/explanation.js';
import { presentedBy, secondsFrom } from '../captured/presented.js';
import { readCaptured, type CapturedFlags } from '../captured/read-captured.js';
import { EXIT, wrongUsage } from '../exit-codes.js';
import { readInput } from '../outgoing-request.js';
import { publicKeyOf, type PublicKeyFlags } from '../public-key.js';
import { type Terminal } from '../terminal.js';

export interface ExplainFlags extends CapturedFlags, PublicKeyFlags {
  readonly now?: string;
  readonly json?: boolean;
  readonly expected?: string;
  readonly prefix?: readonly string[];
}

/** `mauth explain`: why the signature of a recorded request does not match. */
export async function explain(
  file: string | undefined,
  flags: ExplainFlags,
  terminal: Terminal,
): Promise<number> {
  const request = await readCaptured(file, flags);
  const now = secondsFrom(flags.now);
  const expected = flags.expected === undefined ? undefined : await readInput(flags.expected, '--expected');
  const publicKey = await publicKeyOf(presentedBy(request.headers).appUuid, flags);
  if (!publicKey)
    throw wrongUsage('The request names no app, so there is no key to ask for: set --public-key.');
  const explanation = explainRequest(
    {
      ...request,
      publicKey,
      ...(now === undefined ? {} : { now: now * 1000 }),
      ...(expected ? { expected } : {}),
    },
    { prefixes: flags.prefix ?? [] },
  );
  if (flags.json) terminal.print(asJson(explanation));
  else print(explanation, terminal);
  return EXITS[explanation.verdict];
}

const EXITS: Readonly<Record<Explanation['verdict'], number>> = {
  authentic: EXIT.done,
  explained: EXIT.inauthentic,
  other_key: EXIT.inauthentic,
  unexplained: EXIT.undecided,
};

function asJson({ stringToSign, ...others }: Explanation): string {
  const stringToSignBase64 = Buffer.from(stringToSign).toString('base64');
  return JSON.stringify({ ...others, stringToSignBase64 }, undefined, 2);
}

const VERDICTS: Readonly<Record<Explanation['verdict'], string>> = {
  authentic: 'The request is authentic.',
  explained: 'The signature does not match, and this is why:',
  other_key: 'The signature was not made with the private key that belongs to this public key.',
  unexplained:
    'The key is the right one, but it signed another text, which was not found. Ask the sender for its string to ' +
    'sign, and give it with --expected.',
};

function print({ verdict, causes, parts, protocolVersion, tried }: Explanation, terminal: Terminal): void {
  terminal.print(VERDICTS[verdict], verdict === 'authentic' ? 'green' : 'red');
  for (const { code, text, remedy } of causes) {
    terminal.print(`- ${code}`, 'yellow');
    terminal.print(`  ${text}\n  ${remedy}`);
  }
  if (verdict === 'authentic' || protocolVersion === undefined) return;
  terminal.print('');
  for (const { name, received, signed, same } of parts) {
    terminal.print(`${same ? ' ' : '!'} ${name.padEnd(8)} received ${JSON.stringify(received)}`);
    if (!same && signed !== undefined) terminal.print(`           signed   ${JSON.stringify(signed)}`);
  }
  terminal.note(`V${protocolVersion}, ${tried} texts compared`, 'dim');
}
