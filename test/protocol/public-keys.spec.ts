import { type KeyObject } from 'node:crypto';
import { inspect } from 'node:util';
import { checkPublicKey, readPublicKey, UnusableKeyError } from '../../lib/protocol/index.js';
import { createKeyPair } from '../support/key-pair.js';
import { createTestApp } from '../support/test-app.js';
import { modulusOfBits, publicKeyOf } from './rsa-number.js';

const { publicKey, privateKey, publicKeyPem: SPKI } = createTestApp();
const PKCS1 = pem(publicKey, 'pkcs1');
const CERTIFICATE = `-----BEGIN CERTIFICATE-----
MIIC+TCCAeGgAwIBAgIUNxeoDCf5GZpQ4/3dUoHZNuNw8l8wDQYJKoZIhvcNAQEL
BQAwDDEKMAgGA1UEAwwBeDAeFw0yNjExMjIwMTM0MzVaFw0yNjExMjMwMTM0MzVa
MAwxCjAIBgNVBAMMAXgwggEiMA0GCSqGSIb3DQEBAQUAA4IBDwAwggEKAoIBAQCo
n/PMDg0trdVseKqXalKc41a7yh24yYTSd+A/p/KicHpCRJsQKwpNtkKwvMPDOLrq
DVRgHSnh7l7MZJjBPWPWodFnI0pr5il7m56fdcwQu2k/f2a8m+firFJJnyXrFO98
lNhGxdQzvoua/KL0oLEcR/npk3lYTC6tuoi7uxjpAJzrfmyfezx7zzjbASCMPFhG
CE1DjliRzDl1Yf+S/4EJzoPL0H1A1DwjSTzgNeZLK8rxOIuxwKJVQVeknRYZTo9i
66NyODok74PoMx+vBzWjcOyog1HN290bYBvv7NQgINt7VYsdgSBz+J9PyyKGjDiH
iyljLz0IfbjuZ+kbHNarAgMBAAGjUzBRMB0GA1UdDgQWBBQveOp+WiucBqtzZkFY
iKh6I5zMSDAfBgNVHSMEGDAWgBQveOp+WiucBqtzZkFYiKh6I5zMSDAPBgNVHRMB
Af8EBTADAQH/MA0GCSqGSIb3DQEBCwUAA4IBAQBOjPW8NWoVHRQbcgI/3rF/64Mj
5KtQ0ioJ82APEAWrFmKc+XuATLJrsWjfFSMityXIsmst5n1/j8JeUQIIuuwQ99jl
50aaL8kiTFUu4cWFIN1kRpPXIZYQIPr/2vvUQE3lxk6WXlX4tnWToLT/AEd48ONx
yn6WHyXy4YXmyI9pyyQzl+moacjvaxck8yzGo2hn4aEUZiOyUQZVtD9xj4jL5Bfp
WlenPc8UxN9U6Bi6Eu1A1IMB2vkq307fzpLYKpDek0lsF0xn4bfK+DC0ovmWKIq6
v1LEPkVjdEuY2YGEBPZ88IN4XYs3ZdeNuDmCAU0+E8zQAIq6oFIyVA8dArHV
-----END CERTIFICATE-----
`;

function pem(key: KeyObject, type: 'spki' | 'pkcs1' | 'pkcs8'): string {
  return key.export({ format: 'pem', type } as never) as string;
}

function block(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return [`-----BEGIN ${label}-----`, ...lines, `-----END ${label}-----`, ''].join('\n');
}

const der = (key: KeyObject, type: string) => key.export({ format: 'der', type } as never) as Buffer;

function failure(read: () => unknown): UnusableKeyError {
  try {
    read();
  } catch (error) {
    expect(error).toBeInstanceOf(UnusableKeyError);
    return error as UnusableKeyError;
  }
  throw new Error('The key was accepted.');
}

describe('A public key', () => {
  it.each([
    ['SPKI', SPKI],
    ['PKCS#1', PKCS1],
    ['SPKI with CRLF', SPKI.replaceAll('\n', '\r\n')],
    ['PKCS#1 with CRLF', PKCS1.replaceAll('\n', '\r\n')],
    ['without a line feed at its end', SPKI.trimEnd()],
    ['with white space behind it', `${SPKI}\n \t\r\n`],
  ])('is accepted as %s', (_, text) => {
    expect(readPublicKey(text).equals(publicKey)).toBe(true);
  });

  const oneLine = (separator: string) => SPKI.trimEnd().replaceAll('\n', separator);

  it.each<[string, string]>([
    ['text before it', `subject=/CN=x\n${SPKI}`],
    ['a line feed before it', `\n${SPKI}`],
    ['a space before it', ` ${SPKI}`],
    ['a byte order mark before it', `\ufeff${SPKI}`],
    ['text behind it', `${SPKI}trailing`],
    ['text behind it on the line of its footer', `${SPKI.trimEnd()} trailing`],
    ['itself behind it', SPKI + SPKI],
    ['another key behind it', SPKI + createTestApp().publicKeyPem],
    ['its private key behind it', SPKI + pem(privateKey, 'pkcs8')],
    ['its private key before it', pem(privateKey, 'pkcs8') + SPKI],
    ['a certificate behind it', SPKI + CERTIFICATE],
    ['spaces for line feeds', oneLine(' ')],
    ['no line feeds', oneLine('')],
    ['literal \\n for line feeds', oneLine('\\n')],
    ['a space in the middle', SPKI.replace('MIIB', 'MI IB')],
    ['NUL in the middle', SPKI.replace('MIIB', 'MI\0IB')],
    ['NUL behind it', `${SPKI}\0`],
    ['NUL before it', `\0${SPKI}`],
    ['a header field', SPKI.replace('-----\n', '-----\nProc-Type: 4,CLEAR\n\n')],
    ['four dashes', SPKI.replace(/^-/, '')],
    ['a label in lower case', SPKI.replaceAll('PUBLIC KEY', 'public key')],
    ['different labels at begin and end', SPKI.replace('END PUBLIC', 'END RSA PUBLIC')],
    ['no footer', SPKI.slice(0, SPKI.indexOf('-----END'))],
    ['no header', SPKI.slice(SPKI.indexOf('\n') + 1)],
    ['no content', '-----BEGIN PUBLIC KEY-----\n-----END PUBLIC KEY-----\n'],
    ['the label of SPKI on PKCS#1', PKCS1.replaceAll('RSA PUBLIC', 'PUBLIC')],
    ['the label of PKCS#1 on SPKI', SPKI.replaceAll('PUBLIC', 'RSA PUBLIC')],
    ['the label of a public key on PKCS#8', block('PUBLIC KEY', der(privateKey, 'pkcs8'))],
    ['the label of a public key on a PKCS#1 private key', block('RSA PUBLIC KEY', der(privateKey, 'pkcs1'))],
    ['content that is cut short', block('PUBLIC KEY', der(publicKey, 'spki').subarray(0, 100))],
    ['content of zeros', block('PUBLIC KEY', Buffer.alloc(294))],
    ['base64 that is none', SPKI.replace('MIIB', 'MI==')],
    ['nothing at all', ''],
    ['white space only', ' \n\n'],
    ['its DER in base64 only', der(publicKey, 'spki').toString('base64')],
    ['base64 of its PEM', Buffer.from(SPKI).toString('base64')],
    ['more than 16,384 characters', SPKI + '\n'.repeat(16_385 - SPKI.length)],
    ['a megabyte of base64', block('PUBLIC KEY', Buffer.alloc(1_000_000, 1))],
    ['a megabyte of dashes', '-'.repeat(1_000_000)],
    ['a private key in PKCS#8', pem(privateKey, 'pkcs8')],
    ['a private key in PKCS#1', pem(privateKey, 'pkcs1')],
    ['a certificate', CERTIFICATE],
    ['an OpenSSH key', 'ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAABAQC0 someone@example'],
    ['an OpenSSH private key', block('OPENSSH PRIVATE KEY', Buffer.from('openssh-key-v1\0none'))],
    ['an EC private key', ecPrivatePem()],
  ])('is refused with %s', (_, text) => {
    expect(failure(() => readPublicKey(text)).code).toBe('malformed_key');
  });

  it('is accepted up to 16,384 characters', () => {
    expect(readPublicKey(SPKI.padEnd(16_384, '\n')).equals(publicKey)).toBe(true);
  });

  it.each<[string, unknown]>([
    ['undefined', undefined],
    ['null', null],
    ['a number', 1],
    ['bytes', Buffer.from(SPKI)],
    ['a list', [SPKI]],
    ['an object that turns into one', { toString: () => SPKI, length: SPKI.length }],
    ['a parsed key', publicKey],
  ])('is refused when it is %s and not text', (_, value) => {
    expect(failure(() => readPublicKey(value as string)).code).toBe('malformed_key');
  });

  it.each<[string, KeyObject]>([
    ['EC', createKeyPair('ec', { namedCurve: 'P-256' }).publicKey],
    ['DSA', createKeyPair('dsa', { modulusLength: 2048, divisorLength: 256 }).publicKey],
    ['RSA-PSS', createKeyPair('rsa-pss').publicKey],
    ['Ed25519', createKeyPair('ed25519').publicKey],
    ['X25519', createKeyPair('x25519').publicKey],
  ])('is refused when it is %s', (_, key) => {
    expect(failure(() => readPublicKey(pem(key, 'spki'))).code).toBe('wrong_key_type');
    expect(failure(() => checkPublicKey(key)).code).toBe('wrong_key_type');
  });

  it('is refused when it is a parsed private key', () => {
    expect(failure(() => checkPublicKey(privateKey)).code).toBe('wrong_key_type');
  });

  it.each([
    [512, 65537n],
    [1024, 65537n],
    [2040, 65537n],
    [2047, 65537n],
    [8193, 65537n],
    [16_384, 65537n],
    [2048, 1n],
    [2048, 2n],
    [2048, 3n],
    [2048, 17n],
    [2048, 65535n],
    [2048, 65536n],
    [2048, 65538n],
    [2048, 2n ** 32n],
    [2048, 2n ** 32n + 1n],
    [2048, 2n ** 63n + 1n],
  ])('is refused with a modulus of %i bits and an exponent of %i', (bits, exponent) => {
    const key = publicKeyOf(modulusOfBits(bits), exponent);
    expect(key.asymmetricKeyDetails).toEqual({ modulusLength: bits, publicExponent: exponent });
    expect(failure(() => readPublicKey(pem(key, 'spki'))).code).toBe('weak_key');
    expect(failure(() => checkPublicKey(key)).code).toBe('weak_key');
  });

  it.each([
    [2048, 65537n],
    [2049, 65537n],
    [3072, 65539n],
    [8192, 65537n],
    [2048, 2n ** 32n - 1n],
  ])('is accepted with a modulus of %i bits and an exponent of %i', (bits, exponent) => {
    const key = publicKeyOf(modulusOfBits(bits), exponent);
    expect(readPublicKey(pem(key, 'spki')).equals(key)).toBe(true);
    expect(readPublicKey(pem(key, 'pkcs1')).equals(key)).toBe(true);
    expect(checkPublicKey(key)).toBe(key);
  });

  it('is named with its bits and the bounds when it is too short, so that the remedy is clear', () => {
    const error = failure(() => checkPublicKey(publicKeyOf(modulusOfBits(1024), 65537n)));
    expect(error.message).toBe('The key has 1024 bits; 2048 to 8192 are accepted.');
    expect(error.name).toBe('UnusableKeyError');
  });

  it('does not appear in the error that refuses it', () => {
    const secret = pem(privateKey, 'pkcs8');
    const shown = inspect(
      failure(() => readPublicKey(secret)),
      { depth: Infinity, showHidden: true },
    );
    for (const line of secret.split('\n').slice(1, -2)) expect(shown).not.toContain(line.slice(0, 20));
  });
});

function ecPrivatePem(): string {
  return createKeyPair('ec', { namedCurve: 'P-256' }).privateKeyPem;
}
