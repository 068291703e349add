/**
 * What signing and verifying costs beside the RSA operation of node:crypto alone, which nobody can save.
 *
 *   npm run bench              about half a minute
 *   npm run bench -- --quick   to see that it works
 */
import {
  createHash,
  generateKeyPairSync,
  privateEncrypt,
  publicEncrypt,
  sign,
  verify,
  constants,
} from 'node:crypto';
import { cpus } from 'node:os';
import { MAuthAuthenticator, MAuthSigner } from 'nestjs-mauth/core';
import { stringToSign } from 'nestjs-mauth/protocol';

const SECONDS = process.argv.includes('--quick') ? 0.02 : 0.4;
const TURNS = 9;
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const appUuid = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const url = '/studies/17/subjects?page=2&order=name%20asc';
const body = Buffer.alloc(1024, 'MAuth');
const request = { method: 'POST', url, body };
const signers = {
  v1: new MAuthSigner({ appUuid, privateKey, signVersions: 'v1' }),
  v2: new MAuthSigner({ appUuid, privateKey, signVersions: 'v2' }),
};
const quiet = { log() {}, warn() {}, error() {} };
const authenticator = new MAuthAuthenticator({ appUuid, findPublicKey: () => publicKey, logger: quiet });

/** Operations a second, one after the other. */
async function rate(operation, seconds) {
  const start = performance.now();
  let count = 0;
  for (const end = start + seconds * 1000; performance.now() < end; count++) await operation();
  return count / ((performance.now() - start) / 1000);
}

/**
 * Rates of operations in turns, so that whatever else the machine does meets them alike; of each the median turn.
 * What is measured must hold: a failing check would be fast for nothing.
 */
async function measure(...pairs) {
  for (const [operation, holds] of pairs)
    if (!holds(await operation())) throw new Error(`does not do what it is measured for: ${operation}`);
  const rates = pairs.map(() => []);
  for (let turn = 0; turn < TURNS; turn++)
    for (const [index, [operation]] of pairs.entries()) rates[index].push(await rate(operation, SECONDS));
  return rates.map((turns) => turns.sort((a, b) => a - b)[TURNS >> 1]);
}

const is = (expected) => (value) => value === expected;
const isAuthentic = ({ authentic }) => authentic;
const hasHeaders = (count) => (headers) => Object.keys(headers).length === count;

const time = Math.floor(Date.now() / 1000);
const text = stringToSign(2, { ...request, appUuid, time });
const digest = Buffer.from(
  createHash('sha512')
    .update(stringToSign(1, { ...request, appUuid, time }))
    .digest('hex'),
);
const padded = Buffer.concat([
  Buffer.from([0, 1]),
  Buffer.alloc(256 - 3 - digest.length, 255),
  Buffer.from([0]),
  digest,
]);
const rawV1 = { key: publicKey, padding: constants.RSA_NO_PADDING };
const signatures = { v1: privateEncrypt(privateKey, digest), v2: sign('sha512', text, privateKey) };
const headers = { v1: await signers.v1.signRequest(request), v2: await signers.v2.signRequest(request) };
const lowerCase = (record) =>
  Object.fromEntries(Object.entries(record).map(([name, value]) => [name.toLowerCase(), value]));
const signed = { v1: lowerCase(headers.v1), v2: lowerCase(headers.v2) };

const rows = [
  [
    'verify V2',
    [() => verify('sha512', text, publicKey, signatures.v2), is(true)],
    [() => authenticator.authenticateRequest({ ...request, headers: signed.v2 }), isAuthentic],
  ],
  [
    'verify V1',
    [() => publicEncrypt(rawV1, signatures.v1).equals(padded), is(true)],
    [() => authenticator.authenticateRequest({ ...request, headers: signed.v1 }), isAuthentic],
  ],
  [
    'sign V2',
    [() => sign('sha512', text, privateKey), (bytes) => bytes.length === 256],
    [() => signers.v2.signRequest(request), hasHeaders(2)],
  ],
  [
    'sign V1',
    [() => privateEncrypt(privateKey, digest), (bytes) => bytes.length === 256],
    [() => signers.v1.signRequest(request), hasHeaders(2)],
  ],
];

console.log(`Node ${process.version}, ${cpus()[0]?.model.trim()}, RSA-2048, body of ${body.length} bytes\n`);
console.log('            node:crypto alone        with MAuth       ratio');
for (const [name, alone, withMAuth] of rows) {
  const [base, ours] = await measure(alone, withMAuth);
  const cell = (rate) => `${Math.round(rate).toLocaleString('en')}/s`.padStart(17);
  console.log(`${name.padEnd(12)}${cell(base)}${cell(ours)}${(ours / base).toFixed(2).padStart(12)}`);
}
