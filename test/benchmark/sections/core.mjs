/**
 * What string to sign, signing and verifying cost beside what `node:crypto` alone takes for the same bytes, and what
 * somebody can make a server do who cannot sign at all.
 */
import { constants, createHash, privateEncrypt, publicEncrypt, sign, verify } from 'node:crypto';
import { promisify } from 'node:util';
import { MAuthAuthenticator } from 'nestjs-mauth/core';
import { stringToSign } from 'nestjs-mauth/protocol';
// The package has no entry point for it; the build leaves its modules here.
import { canonicalQuery } from '../../../.build/protocol/canonical-target.js';
import { interleave, pace, ratio, target, timed } from '../harness.mjs';
import { load } from '../load.mjs';
import { caller, lowerCase, publicPem, serviceUuid, signer, silent } from '../parties.mjs';
import { Child } from '../processes/child.mjs';

const { appUuid, privateKey, publicKey } = caller;
const BODIES = { none: 0, '60 B': 60, '60 kB': 60_000, '6 MB': 6_000_000 };
const inOrder = (pairs) => queryOf(pairs, (i) => `name${String(i).padStart(2, '0')}=value%20${i}`);
const toBeSorted = (pairs) => queryOf(pairs, (i) => `name${pairs - i}=value%20${i}`);
const toBeDecoded = (pairs) => queryOf(pairs, (i) => `name${String(i).padStart(2, '0')}=value+%2f${i}`);
const QUERIES = {
  none: '',
  '3 pairs': inOrder(3),
  '50 pairs': inOrder(50),
  '3 to be sorted': toBeSorted(3),
  '50 to be sorted': toBeSorted(50),
};
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
    for (const query of size ? ['none', '50 pairs'] : Object.keys(QUERIES))
      for (const [version, signVersions] of Object.entries(VERSIONS)) {
        const message = messageOf(size, QUERIES[query]);
        for (const [operation, pair] of Object.entries(await operationsOf(message, signVersions))) {
          const measured = await interleave(
            Object.fromEntries(
              Object.entries(pair).map(([name, [run, holds]]) => [name, timed(run, holds, seconds)]),
            ),
            rounds,
          );
          const { ours, raw } = measured;
          const times = raw && ratio(ours.micros, raw.micros);
          ratios.set([operation, version, body, query].join(), times);
          rows.push({
            operation,
            version,
            body,
            query,
            ours: ours.micros.median,
            spread: ours.micros.spread,
            raw: raw?.micros.median ?? '–',
            ratio: times ?? '–',
          });
        }
      }
  const queries = await canonicalQueries(seconds, rounds);
  const junk = await junkSignatures(options);
  return {
    tables: [
      {
        title: 'One operation after the other, RSA-2048',
        columns: {
          operation: 'operation',
          version: 'version',
          body: 'body',
          query: 'query',
          ours: 'µs',
          spread: '± %',
          raw: 'node:crypto alone, µs',
          ratio: 'ratio',
        },
        rows,
      },
      {
        title: 'The canonical query alone',
        columns: { query: 'query', pairs: 'pairs', micros: 'µs', spread: '± %' },
        rows: queries,
      },
      {
        title: 'A query of 15 kB under a known UUID, signed with nothing that is a signature',
        columns: {
          platform: 'platform',
          query: 'query',
          unsigned: 'unsigned, CPU µs',
          junk: 'junk signature, CPU µs',
          spread: '± %',
          ratio: 'ratio',
        },
        rows: junk,
      },
    ],
    targets: [
      target('verify V2, no body: time beside crypto.verify', ratios.get('verify,V2,none,none'), {
        atMost: 1.35,
      }),
      target('verify V2, 3 pairs: time beside crypto.verify', ratios.get('verify,V2,none,3 pairs'), {
        atMost: 1.25,
      }),
      target('verify V2, 50 pairs: time beside crypto.verify', ratios.get('verify,V2,none,50 pairs'), {
        atMost: 1.35,
      }),
      target('verify V2, 60 kB: time beside SHA-512 and crypto.verify', ratios.get('verify,V2,60 kB,none'), {
        atMost: 1.15,
      }),
      target('sign V2: time beside asynchronous crypto.sign', ratios.get('sign,V2,none,none'), {
        atMost: 1.05,
      }),
      ...[
        [3, 1.5],
        [50, 8],
      ].map(([pairs, atMost]) =>
        target(
          `canonical query of ${pairs} pairs in order`,
          queries.find((row) => row.query === 'in order' && row.pairs === pairs).micros,
          { atMost, unit: ' µs' },
        ),
      ),
      target(
        'a junk signature over 15 kB of query: processor time beside an unsigned request',
        Math.max(...junk.map((row) => row.ratio)),
        { atMost: 2 },
      ),
    ],
  };
}

async function canonicalQueries(seconds, rounds) {
  const kinds = { 'in order': inOrder, 'to be sorted': toBeSorted, 'to be decoded': toBeDecoded };
  const rows = Object.entries(kinds).flatMap(([query, make]) =>
    [3, 50].map((pairs) => ({ query, pairs, make })),
  );
  const measured = await interleave(
    Object.fromEntries(
      rows.map(({ query, pairs, make }) => {
        const raw = make(pairs);
        const expected = query === 'in order' ? raw.length : canonicalQuery(raw).length;
        return [
          query + pairs,
          timed(
            () => canonicalQuery(raw),
            (text) => text.length === expected,
            seconds,
          ),
        ];
      }),
    ),
    rounds,
  );
  return rows.map(({ query, pairs }) => {
    const { median: micros, spread } = measured[query + pairs].micros;
    return { query, pairs, micros, spread };
  });
}

const LENGTH = 15_000;
/** Queries that are the most work, each in its way; with more than 1,000 pieces they would be refused unread. */
const JUNK_QUERIES = {
  'one value': `a=${'x'.repeat(LENGTH)}`,
  'one value of escapes': `a=${'%c3%a9'.repeat(LENGTH / 6)}`,
  '990 pairs to be sorted and decoded': queryOf(990, (i) => `${(i * 7919) % 1009}=x%2fx%20x`),
  'what other clients write differently': queryOf(
    490,
    (i) => `${['%F0%9F%98%80', '%EF%BF%BD', 'n', '%2f'][i % 4]}${(i * 7919) % 1009}=%2f${'x'.repeat(12)}&`,
  ),
};

/** What the server takes of the processor to refuse a request that carries no signature, and one that carries junk. */
async function junkSignatures(options) {
  const { rounds, ...limits } = options.isQuick
    ? { amount: 4, connections: 4, rounds: 1 }
    : { ...pace(options, { seconds: 0.4, rounds: 15 }), lead: 0.2, connections: 8 };
  const refused = { ...limits, status: 401, answer: '{"errors":{"mauth":["Unauthorized"]}}' };
  const rows = [];
  for (const platform of ['Express', 'Fastify']) {
    const parties = { appUuid: caller.appUuid, publicPem: publicPem(), serviceUuid };
    const server = await Child.start('./application.mjs', { platform, variant: 'v2', ...parties });
    try {
      for (const [query, text] of Object.entries(JUNK_QUERIES)) {
        const request = { method: 'GET', path: `/studies?${text.slice(0, LENGTH)}` };
        const send = (headers) => () => load(server, { ...request, headers: headers() }, refused);
        const { unsigned, junk } = await interleave(
          { unsigned: send(() => ({})), junk: send(junkHeaders) },
          rounds,
          options.isQuick ? 0 : 3,
        );
        rows.push({
          platform,
          query,
          unsigned: unsigned.cpu.median,
          junk: junk.cpu.median,
          spread: junk.cpu.spread,
          ratio: ratio(junk.cpu, unsigned.cpu),
        });
      }
    } finally {
      await server.stop();
    }
  }
  return rows;
}

function junkHeaders() {
  const signature = Buffer.alloc(256, 1).toString('base64');
  return {
    'mcc-authentication': `MWSV2 ${caller.appUuid}:${signature};`,
    'mcc-time': String(Math.floor(Date.now() / 1000)),
  };
}

/** What is measured first would else be measured before its code has been compiled. */
async function warmUp() {
  for (const signVersions of Object.values(VERSIONS))
    for (const pair of Object.values(await operationsOf(messageOf(60, toBeSorted(2)), signVersions)))
      for (const [run, holds] of Object.values(pair)) await timed(run, holds, 0.3)();
}

function queryOf(pairs, pair) {
  return Array.from({ length: pairs }, (_, i) => pair(i)).join('&');
}

function messageOf(size, query) {
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
