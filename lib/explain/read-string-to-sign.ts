import { bytesOfWireText, type ByteString } from '../protocol/byte-string.js';
import { BodyForm } from './body-variants.js';
import { type ExplainCause } from './causes.js';
import { parameterCauses } from './query-variants.js';
import { type FoundText, type PartVariants } from './text-search.js';
import { type Variant } from './variants.js';

/** What the sender signed, taken apart; undefined where it is no string to sign of the version. */
export function readStringToSign(text: Uint8Array, own: PartVariants): FoundText | undefined {
  const lines = bytesOfWireText(text).split('\n');
  const read = own.version === 2 ? readV2(lines, own) : readV1(lines);
  if (!read) return undefined;
  const { method, path, body, appUuid, time, query } = read;
  const differences = [
    causesOf(own.method, method, () => ['method_changed']),
    causesOf(own.path, path, (received) => prefixCauses(received, path)),
    causesOf(own.query, query, (received) => parameterCauses(received, query)),
    own.body.find(({ value }) => value.digest === body.digest)?.causes,
    causesOf(own.appUuid, appUuid, () => ['uuid_changed']),
    causesOf(own.time, time, () => ['time_changed']),
  ];
  return {
    version: own.version,
    parts: { ...read, end: '' },
    causes: differences.flatMap((causes) => causes ?? []),
    isAccountedFor: !differences.includes(undefined),
  };
}

function readV2(lines: readonly string[], own: PartVariants): Omit<FoundText['parts'], 'end'> | undefined {
  if (lines.length !== 6) return undefined;
  const [method, path, digest, appUuid, time, query] = lines;
  const body = own.body.find(({ value }) => value.digest === digest)?.value ?? new UnknownBody(digest);
  return { method, path, body, appUuid, time, query };
}

function readV1(lines: readonly string[]): Omit<FoundText['parts'], 'end'> | undefined {
  if (lines.length < 5) return undefined;
  const [method, path] = lines;
  const [appUuid, time] = lines.slice(-2);
  const body = new BodyForm(Buffer.from(lines.slice(2, -2).join('\n'), 'latin1'));
  return { method, path, body, appUuid, time, query: '' };
}

/** A body of which the digest is all that is known. */
class UnknownBody extends BodyForm {
  override readonly isKnown = false;

  constructor(private readonly given: string) {
    super(new Uint8Array(0));
  }

  override get digest(): string {
    return this.given;
  }
}

/** Undefined where there is a difference without a name. */
function causesOf(
  variants: readonly Variant[],
  signed: string,
  otherwise: (received: string) => ExplainCause[],
): readonly ExplainCause[] | undefined {
  const known = variants.find(({ value }) => value === signed);
  if (known) return known.causes;
  const causes = otherwise(variants[0].value);
  return causes.length > 0 ? causes : undefined;
}

function prefixCauses(received: ByteString, signed: ByteString): ExplainCause[] {
  if (signed.endsWith(received)) return ['path_prefix_removed'];
  return received.endsWith(signed) ? ['path_prefix_added'] : [];
}
