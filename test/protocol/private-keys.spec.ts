import { type KeyObject } from 'node:crypto';
import { checkPrivateKey, readPrivateKey, UnusableKeyError } from '../../lib/protocol/index.js';
import { createKeyPair } from '../support/key-pair.js';
import { createTestApp } from '../support/test-app.js';

const { publicKey, privateKey, publicKeyPem, privateKeyPem: PKCS8 } = createTestApp();
const PKCS1 = privateKey.export({ format: 'pem', type: 'pkcs1' }).toString();
const base64 = (text: string) => Buffer.from(text).toString('base64');
/** What is between header and footer: the base64 of the DER, in lines. */
const bodyOf = (pem: string) => pem.replaceAll(/-----.*-----\n/g, '');
/** What `openssl pkcs12 -nodes -nocerts` writes in front of a key. */
const BAG =
  'Bag Attributes\n    friendlyName: mauth\n    localKeyID: 01 23\nKey Attributes: <No Attributes>\n';

function code(read: () => unknown): string | undefined {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(UnusableKeyError);
    return (error as UnusableKeyError).code;
  }
  return undefined;
}

describe.each([
  ['PKCS#1', PKCS1],
  ['PKCS#8', PKCS8],
])('A private key in %s', (_, pem) => {
  it.each<[string, string]>([
    ['PEM', pem],
    ['PEM with CRLF', pem.replaceAll('\n', '\r\n')],
    ['PEM with CR', pem.replaceAll('\n', '\r')],
    ['PEM with white space around it', `\n  ${pem}\n\n`],
    ['PEM without a line feed at its end', pem.trimEnd()],
    ['one line with literal \\n', pem.replaceAll('\n', '\\n')],
    ['one line with literal \\r\\n', pem.replaceAll('\n', '\\r\\n')],
    ['one line with spaces', pem.replaceAll('\n', ' ')],
    ['one line with tabs', pem.replaceAll('\n', '\t')],
    ['one line with nothing between header, body and footer', pem.replaceAll('\n', '')],
    ['PEM with its body on one line', pem.replaceAll(/([^-])\n([^-])/g, '$1$2')],
    ['PEM with blank lines', pem.replaceAll('\n', '\n\n')],
    ['base64 of the PEM', base64(pem)],
    ['base64 of the PEM, wrapped at 76 characters', base64(pem).replace(/.{76}/g, '$&\n')],
    ['base64 of the one-line PEM', base64(pem.replaceAll('\n', ''))],
    ['base64 of the PEM with literal \\n', base64(pem.replaceAll('\n', '\\n'))],
    ['base64 of the PEM with white space around it', ` ${base64(`\n${pem}\n`)}\n`],
    ['PEM in double quotes', `"${pem}"`],
    ['PEM in single quotes', `'${pem}'`],
    ['PEM in quotes, with white space on either side of them', ` " ${pem} "\n`],
    ['one line with literal \\n in quotes', `"${pem.trimEnd().replaceAll('\n', '\\n')}"`],
    ['one line with literal \\n at its end, in quotes', `'${pem.replaceAll('\n', '\\n')}'`],
    ['base64 of the PEM in quotes', `"${base64(pem)}"`],
    ['base64 of the PEM that is in quotes', base64(`'${pem}'`)],
    ['PEM behind Bag Attributes', `${BAG}${pem}`],
    ['PEM behind Key Attributes alone', `Key Attributes: <No Attributes>\n${pem}`],
    ['PEM behind Bag Attributes with CRLF', `${BAG}${pem}`.replaceAll('\n', '\r\n')],
    ['PEM behind Bag Attributes on one line with literal \\n', `${BAG}${pem}`.replaceAll('\n', '\\n')],
    ['PEM behind Bag Attributes on one line with spaces', `${BAG}${pem}`.replaceAll('\n', ' ')],
    ['PEM behind Bag Attributes in quotes', `"${BAG}${pem}"`],
    ['base64 of the PEM behind Bag Attributes', base64(`${BAG}${pem}`)],
    ['base64 of the DER', bodyOf(pem).replaceAll('\n', '')],
    ['base64 of the DER in lines', bodyOf(pem)],
    ['base64 of the DER in lines with CRLF', bodyOf(pem).replaceAll('\n', '\r\n')],
    ['base64 of the DER in lines that became spaces', bodyOf(pem).replaceAll('\n', ' ')],
    ['base64 of the DER in lines with literal \\n', bodyOf(pem).replaceAll('\n', '\\n')],
    ['base64 of the DER in quotes', `'${bodyOf(pem)}'`],
    ['base64 of the DER without padding', bodyOf(pem).replaceAll(/[\n=]/g, '')],
  ])('is read from %s', (__, text) => {
    expect(readPrivateKey(text)?.equals(privateKey)).toBe(true);
  });

  it.each<[string, string]>([
    ['another key behind it', pem + pem],
    ['its public key behind it', pem + publicKeyPem],
    ['text behind it', `${pem}trailing`],
    ['another label at its end', pem.replace(/END (RSA )?/, 'END X')],
    ['no footer', pem.slice(0, pem.indexOf('-----END'))],
    ['no body', pem.replace(/-----\n[^-]+-----/, '-----\n-----')],
    ['a body of white space', pem.replace(/-----\n[^-]+-----/, '-----\n \n-----')],
    [
      'a body that is cut short',
      pem.replace(/[A-Za-z0-9+/=]{64}\n-----END/, '-----END').replace(/\n.{64}\n/, '\n'),
    ],
    ['a character in its body that is not base64', pem.replace('MII', 'M!I')],
    ['another key behind it, both behind Bag Attributes', `${BAG}${pem}${BAG}${pem}`],
    ['a public key before it, both behind Bag Attributes', `${BAG}${publicKeyPem}${BAG}${pem}`],
    ['a quote on one side', `"${pem}`.replace('"', '') + '"'],
  ])('is malformed with %s', (__, text) => {
    expect(code(() => readPrivateKey(text))).toBe('malformed_key');
    expect(code(() => readPrivateKey(base64(text)))).toBe('malformed_key');
  });
});

describe('A private key', () => {
  it.each<[string, string]>([
    ['nothing', ''],
    ['white space', '\n '],
    ['ciphertext in base64', Buffer.alloc(400, 7).toString('base64')],
    ['any text', 'not a key'],
    ['text before a PEM', `Some text\n${PKCS8}`],
    ['a PEM with a quote before it', `"${PKCS8}`],
    ['Bag Attributes alone', BAG],
    ['base64 of a DER with a byte behind it', derWith((der) => Buffer.concat([der, Buffer.of(0)]))],
    ['base64 of a DER that is cut short', derWith((der) => der.subarray(0, -1))],
    [
      'base64 of a DER sequence that is no key',
      derWith((der) => Buffer.concat([der.subarray(0, 4), Buffer.alloc(der.length - 4, 5)])),
    ],
    ['base64 of a public key', bodyOf(publicKeyPem)],
    ['an OpenSSH public key', 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC0 someone@example'],
  ])('is not found in %s, which may be ciphertext', (_, text) => {
    expect(readPrivateKey(text)).toBeUndefined();
  });

  it.each<[string, string]>([
    ['a public key', publicKeyPem],
    ['a certificate', publicKeyPem.replaceAll('PUBLIC KEY', 'CERTIFICATE')],
    ['an OpenSSH key', PKCS8.replaceAll('PRIVATE KEY', 'OPENSSH PRIVATE KEY')],
    ['an EC key in its own form', ecKey().export({ format: 'pem', type: 'sec1' }).toString()],
  ])('is malformed when it is %s', (_, text) => {
    expect(code(() => readPrivateKey(text))).toBe('malformed_key');
  });

  const encrypted = (type: 'pkcs1' | 'pkcs8') =>
    privateKey.export({ format: 'pem', type, cipher: 'aes-256-cbc', passphrase: 'secret' }).toString();

  it.each<[string, string]>([
    ['PKCS#8', encrypted('pkcs8')],
    ['PKCS#1', encrypted('pkcs1')],
    ['base64 of PKCS#8', base64(encrypted('pkcs8'))],
    ['base64 of the DER of PKCS#8', bodyOf(encrypted('pkcs8'))],
  ])('is refused when it is encrypted with a passphrase, as %s', (_, text) => {
    expect(code(() => readPrivateKey(text))).toBe('wrong_key_type');
    expect(() => readPrivateKey(text)).toThrow('decrypt it first');
  });

  it.each<[string, KeyObject, string]>([
    ['EC', ecKey(), 'wrong_key_type'],
    ['Ed25519', createKeyPair('ed25519').privateKey, 'wrong_key_type'],
    ['RSA-PSS', createKeyPair('rsa-pss').privateKey, 'wrong_key_type'],
    ['RSA of 1024 bits', createTestApp(undefined, 1024).privateKey, 'weak_key'],
    [
      'RSA with the exponent 3',
      createKeyPair('rsa', { modulusLength: 2048, publicExponent: 3 }).privateKey,
      'weak_key',
    ],
  ])('is refused when it is %s', (_, key, expected) => {
    const pem = key.export({ format: 'pem', type: 'pkcs8' }).toString();
    expect(code(() => readPrivateKey(pem))).toBe(expected);
    expect(code(() => readPrivateKey(`"${BAG}${pem}"`))).toBe(expected);
    expect(code(() => checkPrivateKey(key))).toBe(expected);
  });

  it('is refused as a parsed key when that is public, and taken when it is private', () => {
    expect(code(() => checkPrivateKey(publicKey))).toBe('wrong_key_type');
    expect(checkPrivateKey(privateKey)).toBe(privateKey);
  });
});

/** Base64 of the key's DER after a change. */
function derWith(change: (der: Buffer) => Buffer): string {
  return change(privateKey.export({ format: 'der', type: 'pkcs8' })).toString('base64');
}

function ecKey(): KeyObject {
  return createKeyPair('ec', { namedCurve: 'P-256' }).privateKey;
}
