import { createHash, hash, type Hash } from 'node:crypto';
import { toBytes, type ByteString } from '../protocol/byte-string.js';
import { type BodyForm } from './body-variants.js';
import { type ExplainCause } from './causes.js';
import { type SignedDigest } from './signed-block.js';
import { type Variant } from './variants.js';

const MOST_TEXTS = 30_000;
const MOST_CAUSES = 3;
/** How many values of one part are combined with those of others, for texts with two and with three causes. */
const WIDTHS = [Infinity, Infinity, 150, 8];

/** Values that the parts of the string to sign may have had, of one version of the protocol. */
export interface PartVariants {
  readonly version: 1 | 2;
  readonly method: readonly Variant[];
  readonly path: readonly Variant[];
  readonly body: readonly Variant<BodyForm>[];
  readonly appUuid: readonly Variant[];
  readonly time: readonly Variant[];
  /** V1 has none. */
  readonly query: readonly Variant[];
  /** What stands behind the last part; a minus takes the last line feed away. */
  readonly end: readonly Variant[];
}

/** The parts of one text. */
export type Parts = {
  readonly [Name in Exclude<keyof PartVariants, 'version'>]: PartVariants[Name][number]['value'];
};

export interface FoundText {
  readonly version: 1 | 2;
  readonly parts: Parts;
  readonly causes: readonly ExplainCause[];
  /** Whether the causes account for all that differs. */
  readonly isAccountedFor: boolean;
}

const NAMES = ['path', 'query', 'body', 'method', 'time', 'appUuid', 'end'] as const;
type AnyVariant = Variant<string | BodyForm>;

/** Compares texts with what was signed, those with few causes first, until one matches or time or number is used up. */
export class TextSearch {
  tried = 0;
  readonly #openings = new Map<string, Hash>();

  /** @param until milliseconds since 1970: the search ends then */
  constructor(
    private readonly digest: SignedDigest,
    private readonly until: number,
  ) {}

  /** @param other the variants of the other version: its strings are tried as well */
  find(own: PartVariants, other: PartVariants): FoundText | undefined {
    for (let causes = 0; causes <= MOST_CAUSES; causes++) {
      const found =
        this.#findWith(own, causes, []) ??
        (causes > 0 ? this.#findWith(other, causes - 1, ['string_other_version']) : undefined);
      if (found) return found;
    }
    return undefined;
  }

  /** Whether this very text was signed. */
  isSigned(text: Uint8Array): boolean {
    this.tried++;
    return this.digest.matches(hash(this.digest.algorithm, text, 'hex'));
  }

  #findWith(variants: PartVariants, causes: number, before: ExplainCause[]): FoundText | undefined {
    for (const chosen of combinations(variants, causes, WIDTHS[causes + before.length])) {
      if (this.tried >= MOST_TEXTS || Date.now() > this.until) return undefined;
      const parts = Object.fromEntries(NAMES.map((name, at) => [name, chosen[at].value])) as unknown as Parts;
      if (!this.#isSignedText(variants.version, parts)) continue;
      return {
        version: variants.version,
        parts,
        causes: [...before, ...chosen.flatMap((one) => one.causes)],
        isAccountedFor: true,
      };
    }
    return undefined;
  }

  #isSignedText(version: 1 | 2, { method, path, body, appUuid, time, query, end }: Parts): boolean {
    const { algorithm } = this.digest;
    if (version === 1) {
      this.tried++;
      const closing = ended(`\n${appUuid}\n${time}`, end);
      return this.digest.matches(
        this.#opened(`${method}\n${path}\n`, body).copy().update(closing, 'latin1').digest('hex'),
      );
    }
    // A sender that signs with another hash may or may not use it for the body as well.
    return bodyDigests(body, algorithm).some((bodyDigest) => {
      const text = ended(`${method}\n${path}\n${bodyDigest}\n${appUuid}\n${time}\n${query}`, end);
      return this.isSigned(toBytes(text));
    });
  }

  /** V1 has the body in the middle: what stands before its end is hashed once. */
  #opened(opening: ByteString, body: BodyForm): Hash {
    const key = opening + body.digest;
    const known = this.#openings.get(key);
    if (known) return known;
    const opened = createHash(this.digest.algorithm).update(opening, 'latin1').update(body.bytes);
    this.#openings.set(key, opened);
    return opened;
  }
}

function bodyDigests(body: BodyForm, algorithm: string): string[] {
  return algorithm === 'sha512' ? [body.digest] : [body.digest, body.digestBy(algorithm)];
}

function ended(text: string, end: string): string {
  return end === '-' ? text.replace(/\n$/, '') : text + end;
}

/** Ways to choose one variant of each part, with so many causes together. */
function* combinations(variants: PartVariants, causes: number, width: number): Generator<AnyVariant[]> {
  const groups = NAMES.map((name) => grouped(variants[name], width));
  const chosen: AnyVariant[] = [];
  function* choose(at: number, left: number): Generator<AnyVariant[]> {
    if (at === groups.length) {
      if (left === 0) yield chosen;
      return;
    }
    for (let taken = left; taken >= 0; taken--) {
      for (const variant of groups[at][taken] ?? []) {
        chosen[at] = variant;
        yield* choose(at + 1, left - taken);
      }
    }
  }
  yield* choose(0, causes);
}

/** Variants by their number of causes, no more than `width` of each. */
function grouped(variants: readonly AnyVariant[], width: number): AnyVariant[][] {
  const groups: AnyVariant[][] = [];
  for (const variant of variants) {
    const group = (groups[variant.causes.length] ??= []);
    if (group.length < width) group.push(variant);
  }
  return groups;
}
