import { hash, timingSafeEqual, type KeyObject } from 'node:crypto';
import { contentOfBlock, openedBlock } from '../protocol/signature.js';
import { type ExplainCause } from './causes.js';

/** Opens a text's digest for comparison: each form in which a sender may have signed one. */
export interface SignedDigest {
  /** The hash of texts, by its name in node:crypto. */
  readonly algorithm: string;
  /** Whether this is the digest that was signed; lower-case hexadecimal. */
  matches(hex: string): boolean;
}

/** What the owner of a key has signed, as far as the signature alone tells. */
export interface SignedBlock {
  /** Undefined where no digest can be read: nothing can be compared then. */
  readonly digest?: SignedDigest;
  /** What is wrong with the signature itself, independent of the text that it covers. */
  readonly causes: readonly ExplainCause[];
  /** Whether the block alone shows that this key made it; otherwise only a text that matches does. */
  readonly isProven: boolean;
}

/** What stands before a digest in its DigestInfo (RFC 8017, section 9.2, note 1). */
const DIGEST_INFOS: readonly (readonly [algorithm: string, opening: string])[] = [
  ['sha512', '3051300d060960864801650304020305000440'],
  ['sha384', '3041300d060960864801650304020205000430'],
  ['sha256', '3031300d060960864801650304020105000420'],
  ['sha224', '302d300d06096086480165030402040500041c'],
  ['sha1', '3021300906052b0e03021a05000414'],
  ['md5', '3020300c06082a864886f70d020505000410'],
];
const BYTES_OF: Readonly<Record<string, number>> = {
  sha512: 64,
  sha384: 48,
  sha256: 32,
  sha224: 28,
  sha1: 20,
  md5: 16,
};

/**
 * Opens a signature with the public key and reads what is inside, in each way in which it can be read: none when it is
 * none of this key's owner, and more than one only where none of them is proven.
 *
 * @param version of the headers that the signature came in
 */
export function openSignature(
  publicKey: KeyObject,
  signature: Uint8Array,
  version: 1 | 2,
): readonly SignedBlock[] {
  const block = openedBlock(publicKey, signature);
  if (!block) return [];
  const content = contentOfBlock(block);
  if (!content) return openPss(block, publicKey);
  return [readDigestInfo(content, version) ?? readBareDigest(content, version) ?? unreadable()];
}

function equals(signed: Buffer): (hex: string) => boolean {
  const expected = signed.toString('hex');
  return (hex) => hex === expected;
}

function readDigestInfo(content: Buffer, version: 1 | 2): SignedBlock | undefined {
  const hex = content.toString('hex');
  for (const [algorithm, opening] of DIGEST_INFOS) {
    if (!hex.startsWith(opening) || hex.length !== opening.length + 2 * BYTES_OF[algorithm]) continue;
    const causes: ExplainCause[] = [];
    if (version === 1) causes.push('scheme_other_version');
    if (algorithm !== 'sha512') causes.push('hash');
    const matches = equals(content.subarray(opening.length / 2));
    return { digest: { algorithm, matches }, causes, isProven: true };
  }
  return undefined;
}

/** A digest without DigestInfo: as hexadecimal text, which is V1, or as bytes. */
function readBareDigest(content: Buffer, version: 1 | 2): SignedBlock | undefined {
  const text = content.toString('latin1');
  const isHex = /^(?:[0-9a-f]+|[0-9A-F]+)$/.test(text);
  const bytes = isHex ? content.length / 2 : content.length;
  const algorithm = Object.keys(BYTES_OF).find((name) => BYTES_OF[name] === bytes);
  if (!algorithm) return undefined;
  const signed = isHex ? Buffer.from(text, 'hex') : content;
  const isV1 = isHex && algorithm === 'sha512' && text === text.toLowerCase();
  const causes: ExplainCause[] = version === 2 ? ['scheme_other_version'] : [];
  if (!isV1) causes.push('hash');
  return { digest: { algorithm, matches: equals(signed) }, causes, isProven: true };
}

function unreadable(): SignedBlock {
  return { causes: ['hash'], isProven: true };
}

const PSS_TRAILER = 0xbc;
const PSS_HASHES = ['sha512', 'sha256', 'sha384', 'sha1'];
/** So many zeros in front of the salt do not come about by chance. */
const ZEROS_THAT_PROVE = 8;

/** EMSA-PSS (RFC 8017, section 9.1.2), of any length of salt: a block may look as if it were of several hashes. */
function openPss(block: Buffer, publicKey: KeyObject): readonly SignedBlock[] {
  if (block.at(-1) !== PSS_TRAILER) return [];
  const bits = (publicKey.asymmetricKeyDetails?.modulusLength ?? 0) - 1;
  const encoded = bits % 8 === 0 ? block.subarray(1) : block;
  const readings = PSS_HASHES.flatMap((algorithm): SignedBlock[] => {
    const opened = unmask(encoded, algorithm, bits);
    if (!opened) return [];
    const causes: ExplainCause[] = algorithm === 'sha512' ? ['padding_pss'] : ['padding_pss', 'hash'];
    const isProven = opened.zeros >= ZEROS_THAT_PROVE;
    return [{ digest: { algorithm, matches: opened.matches }, causes, isProven }];
  });
  const proven = readings.find(({ isProven }) => isProven);
  return proven ? [proven] : readings;
}

function unmask(
  encoded: Buffer,
  algorithm: string,
  bits: number,
): { matches: (hex: string) => boolean; zeros: number } | undefined {
  const size = BYTES_OF[algorithm];
  const end = encoded.length - size - 1;
  if (end < 1) return undefined;
  const seed = encoded.subarray(end, end + size);
  const data = mask(seed, algorithm, end);
  for (let at = 0; at < end; at++) data[at] ^= encoded[at];
  data[0] &= 0xff >> (8 * encoded.length - bits);
  const one = data.findIndex((byte) => byte !== 0);
  if (one < 0 || data[one] !== 1) return undefined;
  const salt = data.subarray(one + 1);
  const matches = (hex: string) => {
    const message = Buffer.concat([Buffer.alloc(8), Buffer.from(hex, 'hex'), salt]);
    return timingSafeEqual(hash(algorithm, message, 'buffer'), seed);
  };
  return { matches, zeros: one };
}

/** MGF1 (RFC 8017, appendix B.2.1). */
function mask(seed: Buffer, algorithm: string, length: number): Buffer {
  const blocks: Buffer[] = [];
  const counter = Buffer.alloc(4);
  for (let count = 0; count * BYTES_OF[algorithm] < length; count++) {
    counter.writeUInt32BE(count);
    blocks.push(hash(algorithm, Buffer.concat([seed, counter]), 'buffer'));
  }
  return Buffer.concat(blocks).subarray(0, length);
}
