/** What string to sign, signing and verifying cost beside what `node:crypto` alone takes for the same bytes. */
import { constants, createHash, privateEncrypt, publicEncrypt, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';
import { MAuthAuthenticator } from 'nestjs-mauth/core';
import { stringToSign } from 'nestjs-mauth/protocol';
import { interleave, pace, ratio, target, timed } from '../harness.mjs';
import { caller, lowerCase, signer, silent } from '../parties.mjs';

const { appUuid, privateKey, publicKey } = caller;
const BODIES = { none: 0, '60 B': 60, '60 kB': 60_000, '6 MB': 6_000_000 };
const PAIRS = [0, 2, 50];
const VERSIONS = { V1: 'v1', V2: 'v2', both: 'v1,v2' };

const signRaw = promisify(sign);
const sha512 = (bytes) => createHash('sha512').update(bytes).digest('hex');
const NO_PADDING = { key: publicKey, padding: constants.RSA_NO_PADDING };

export const title = 'Core';

export default async function core(options) {
  const { isQuick } = options;
  const { seconds, rounds } = pace(options, { seconds: 0.005, rounds: 61 });
  const rows = [];
  const ratios = new Map();
  if (!isQuick) await warmUp();
  for (const [body, size] of Object.entries(isQuick ? { none: 0, '60 kB': 60_000 } : BODIES))
    for (const pairs of PAIRS)
      for (const [version, signVersions] of Object.entries(VERSIONS)) {
        const message = messageOf(size, pairs);
        for (const [operation, pair] of Object.entries(await operationsOf(message, signVersions))) {
          const measured = await interleave(
            Object.fromEntries(
              Object.entries(pair).map(([name, [run, holds]]) => [name, timed(run, holds, seconds)]),
            ),
            rounds,
          );
          const { ours, raw } = measured;
          const times = raw && ratio(ours.micros, raw.micros);
          ratios.set([operation, version, body, pairs].join(), times);
          rows.push({
            operation,
            version,
            body,
            pairs,
            ours: ours.micros.median,
            spread: ours.micros.spread,
            raw: raw?.micros.median ?? '–',
            ratio: times ?? '–',
          });
        }
      }
  return {
    tables: [
      {
        title: 'One operation after the other, RSA-2048',
        columns: {
          operation: 'operation',
          version: 'version',
          body: 'body',
          pairs: 'query pairs',
          ours: 'µs',
          spread: '± %',
          raw: 'node:crypto alone, µs',
          ratio: 'ratio',
        },
        rows,
      },
    ],
    targets: [
      target('verify V2, no body: time beside crypto.verify', ratios.get('verify,V2,none,0'), {
        atMost: 1.35,
      }),
      target('verify V2, 60 kB: time beside SHA-512 and crypto.verify', ratios.get('verify,V2,60 kB,0'), {
        atMost: 1.15,
      }),
      target('sign V2: time beside asynchronous crypto.sign', ratios.get('sign,V2,none,0'), { atMost: 1.05 }),
    ],
  };
}

/** What is measured first would else be measured before its code has been compiled. */
async function warmUp() {
  for (const signVersions of Object.values(VERSIONS))
    for (const pair of Object.values(await operationsOf(messageOf(60, 2), signVersions)))
      for (const [run, holds] of Object.values(pair)) await timed(run, holds, 0.3)();
}

function messageOf(size, pairs) {
  const query = Array.from({ length: pairs }, (_, i) => `name${pairs - i}=value%20${i}`).join('&');
  return {
    method: size ? 'POST' : 'GET',
    url: `/studies/17/subjects${query && `?${query}`}`,
    body: size ? Buffer.alloc(size, 'MAuth') : null,
  };
}

/** Each operation as we do it, and the bare cryptography in it over the same bytes. */
async function operationsOf(message, signVersions) {
  const ours = signer(signVersions);
  const authenticator = new MAuthAuthenticator({
    appUuid,
    findPublicKey: () => publicKey,
    logger: silent,
    logAttempts: false,
  });
  const signed = { ...message, headers: lowerCase(await ours.signRequest(message)) };
  const time = Number(signed.headers['mcc-time'] ?? signed.headers['x-mws-time']);
  const versions = signVersions.split(',').map((version) => Number(version.slice(1)));
  const raws = versions.map((version) => rawOf(version, { ...message, appUuid, time }));
  // V2 that holds is enough: the V1 headers beside it are not verified.
  const verified = raws.at(-1);
  return {
    ...(versions.length === 1 && {
      'string to sign': {
        ours: [() => stringToSign(versions[0], { ...message, appUuid, time }), (text) => text.length > 0],
        ...(message.body &&
          versions[0] === 2 && { raw: [() => sha512(message.body), (hex) => hex.length === 128] }),
      },
    }),
    sign: {
      ours: [
        () => ours.signRequest(message),
        (headers) => Object.keys(headers).length === 2 * versions.length,
      ],
      raw: [() => signAll(raws), isSignature],
    },
    verify: {
      ours: [() => authenticator.authenticateRequest(signed), ({ authentic }) => authentic],
      raw: [verified.verify, (isAuthentic) => isAuthentic],
    },
  };
}

const isSignature = (bytes) => bytes.length === 256;

function signAll(raws) {
  if (raws.length === 1) return raws[0].sign();
  return Promise.all(raws.map((raw) => raw.sign())).then((signatures) => signatures.at(-1));
}

/** The cryptographic operations alone; whatever else goes into a string to sign has been made beforehand. */
function rawOf(version, message) {
  const text = stringToSign(version, message);
  const { body } = message;
  if (version === 2) {
    const signature = sign('sha512', text, privateKey);
    return {
      sign: () => (body && sha512(body), signRaw('sha512', text, privateKey)),
      verify: () => (body && sha512(body), verify('sha512', text, publicKey, signature)),
    };
  }
  const signature = privateEncrypt(privateKey, Buffer.from(sha512(text)));
  const block = publicEncrypt(NO_PADDING, signature);
  return {
    sign: () => privateEncrypt(privateKey, Buffer.from(sha512(text))),
    verify: () => publicEncrypt(NO_PADDING, signature).equals(block) && sha512(text).length === 128,
  };
}
