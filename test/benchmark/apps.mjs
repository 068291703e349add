import { createPrivateKey, createPublicKey, generatePrimeSync, randomUUID } from 'node:crypto';
import { createWriteStream } from 'node:fs';
import { once } from 'node:events';
import { MAuthSigner } from 'nestjs-mauth/core';
import { lowerCase } from './parties.mjs';

const E = 65537n;

/**
 * Writes a line for each of many apps: its public key, and a request that it has signed. Generating that many keys
 * would take hours, so each key is made of another pair out of a pool of primes.
 */
export async function writeApps(file, count, now) {
  const out = createWriteStream(file);
  let written = 0;
  for (const privateKey of keyPairs(count)) {
    const signer = new MAuthSigner({ appUuid: randomUUID(), privateKey, signVersions: 'v2', now: () => now });
    const headers = lowerCase(await signer.signRequest({ method: 'GET', url: '/studies' }));
    const publicPem = createPublicKey(privateKey).export({ type: 'spki', format: 'pem' });
    if (!out.write(`${JSON.stringify({ publicPem, headers })}\n`)) await once(out, 'drain');
    if (++written === count) break;
  }
  out.end();
  await once(out, 'close');
}

function* keyPairs(count) {
  const size = Math.ceil((1 + Math.sqrt(1 + 8 * count)) / 2);
  const primes = [];
  while (primes.length < size) {
    const prime = generatePrimeSync(1024, { bigint: true });
    if (prime % E !== 1n && !primes.includes(prime)) primes.push(prime);
  }
  for (const p of primes) for (const q of primes) if (p > q) yield keyPair(p, q);
}

/** RFC 8017, section 3.2, the second representation. */
function keyPair(p, q) {
  const phi = (p - 1n) * (q - 1n);
  const d = inverse(E, phi);
  const parts = { n: p * q, e: E, d, p, q, dp: d % (p - 1n), dq: d % (q - 1n), qi: inverse(q, p) };
  const key = Object.fromEntries(Object.entries(parts).map(([name, value]) => [name, base64url(value)]));
  return createPrivateKey({ key: { kty: 'RSA', ...key }, format: 'jwk' });
}

function inverse(value, modulus) {
  let [a, b, x, y] = [value % modulus, modulus, 1n, 0n];
  while (a > 1n) [a, b, x, y] = [b % a, a, y - (b / a) * x, x];
  return ((x % modulus) + modulus) % modulus;
}

function base64url(number) {
  const hex = number.toString(16);
  return Buffer.from(hex.padStart(hex.length + (hex.length % 2), '0'), 'hex').toString('base64url');
}
