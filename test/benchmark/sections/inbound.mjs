/** What guards cost an application: each variant in a process of its own, the same requests for all of them. */
import { createHash } from 'node:crypto';
import { JwtService } from '@nestjs/jwt';
import messageSignatures from 'http-message-signatures';
import { expect, interleave, pace, ratio, Samples, target } from '../harness.mjs';
import { load } from '../load.mjs';
import { caller, privatePem, publicPem, serviceUuid, signer } from '../parties.mjs';
import { Child } from '../processes/child.mjs';
import { ANSWER } from '../processes/routes.mjs';

const { createSigner, httpbis } = messageSignatures;

const VARIANTS = {
  unguarded: 'unguarded',
  passing: 'a guard that returns true',
  verifying: 'a guard that calls crypto.verify',
  v2: 'MAuth V2',
  'v2-log': 'MAuth V2, with the attempt log line',
  v1: 'MAuth V1',
  optional: '@OptionalMAuth(), no headers',
  public: '@Public()',
  'jwt-key': '@nestjs/jwt RS512, KeyObject',
  'jwt-pem': '@nestjs/jwt RS512, PEM',
  rfc9421: 'RFC 9421 (http-message-signatures)',
};

/**
 * Who takes turns with whom: ratios are taken within a group, beside its first. Few at a time, for what has waited for
 * many others has lost its place in the caches and part of its compiled code, and the more of it the more code it has.
 */
const GROUPS = [
  { variants: ['unguarded', 'passing', 'verifying', 'v2'], starts: 2 },
  { variants: ['unguarded', 'v1', 'v2-log', 'rfc9421'], starts: 1 },
  { variants: ['passing', 'public', 'optional'], starts: 4 },
  { variants: ['v2', 'jwt-key', 'jwt-pem'], starts: 3 },
];

const json = (length) => JSON.stringify({ study: 'Mediflex', text: 'x'.repeat(length - 30) });
const KINDS = {
  GET: { method: 'GET', path: '/studies' },
  'POST 1 kB': { method: 'POST', path: '/studies', type: 'application/json', body: json(1000) },
  'POST 1 MB': {
    method: 'POST',
    path: '/studies',
    type: 'application/json',
    body: json(1_000_000),
    connections: 8,
  },
  'multipart 1 MB': {
    method: 'POST',
    path: '/uploads',
    type: 'multipart/form-data; boundary=limit',
    body: form(Buffer.alloc(1_000_000, 'x')),
    connections: 8,
    // Raw bytes of a form, of which a digest could be taken, are not to be had from Nest.
    without: ['rfc9421'],
  },
};

// Short turns, so that what else the machine does meets all variants alike; as many leading rounds as it takes until
// what has the most code to be compiled is no longer getting faster, before and after all servers have been brought
// into the state that lasts; and new processes now and then (`starts`), for of two that do the same one may be faster
// for as long as it lives.
const SHORT_TURNS = { seconds: 0.4, lead: 0.2, rounds: 9, leads: 12, settledLeads: 6 };
const LONG_TURNS = { seconds: 0.8, lead: 0.5, rounds: 3, leads: 1, settledLeads: 1, starts: 1 };

export const title = 'Inbound';

export default async function inbound(options) {
  const { isQuick } = options;
  const paceOf = ({ body = '' }) =>
    isQuick
      ? { amount: 4, connections: 4, rounds: 1, starts: 1 }
      : pace(options, body.length < 100_000 ? SHORT_TURNS : LONG_TURNS);
  const rows = [];
  const limits = [];
  const targets = [];
  const verification = new Samples();
  const verifiers = await startVerifiers(isQuick ? 0.01 : SHORT_TURNS.seconds);
  for (const platform of ['Express', 'Fastify']) {
    const measured = Object.fromEntries(Object.keys(KINDS).map((kind) => [kind, GROUPS.map(() => ({}))]));
    for (const [index, { variants, starts }] of GROUPS.entries()) {
      for (let start = 0; start < starts; start++) {
        const kinds = Object.entries(KINDS).filter(
          ([, request]) => start < (paceOf(request).starts ?? starts),
        );
        if (kinds.length === 0) break;
        const servers = await startAll(platform, variants);
        try {
          for (const [kind, request] of kinds)
            await measure(servers, verifiers, request, paceOf(request), measured[kind][index]);
        } finally {
          await Promise.all(Object.values(servers).map((server) => server.stop()));
        }
      }
    }
    for (const [kind, groups] of Object.entries(measured)) {
      rows.push(...rowsOf(platform, kind, groups));
      const [{ raw, ...limited }] = groups;
      verification.values.push(...raw.micros.values);
      // A token covers no body, so with a large one the hash of it is what would be compared.
      if (isQuick || kind.endsWith('1 MB')) continue;
      const limit = limitOf(limited.unguarded, raw);
      limits.push(limitRow(platform, kind, limited, limit));
      targets.push(...targetsOf(platform, kind, groups, limit));
    }
  }
  await Promise.all(verifiers.map((verifier) => verifier.stop()));
  return {
    notes: [
      'Server and load generator (autocannon, 32 connections, 8 for 1 MB) are processes of their own; where the ' +
        'server is not busy, the load generator is the limit. A token covers no body; both kinds of signature cover ' +
        `all of it. \`crypto.verify\` alone takes ${verification.median.toFixed(1)} µs while the other core does ` +
        'the same, for the load generator keeps that busy too; amid requests the same call takes longer.',
      'Guards take turns in small groups, one group after the other: compare them by "of unguarded", which is taken ' +
        'within the rounds of a group, and not by requests a second.',
      'Each server has had a few full collections while idle, for otherwise it is chance which of them have: ' +
        '`process.nextTick` then takes three times as long, with or without a guard.',
    ],
    tables: [
      { title: 'Requests a second', columns: COLUMNS, rows },
      {
        title: 'Requests a second beside 1 / (unguarded + crypto.verify)',
        columns: LIMIT_COLUMNS,
        rows: limits,
      },
    ],
    targets,
  };
}

const COLUMNS = {
  platform: 'platform',
  request: 'request',
  guard: 'guard',
  rate: 'requests/s',
  spread: '± %',
  relative: 'of unguarded',
  p50: 'p50, ms',
  p99: 'p99, ms',
  cpu: 'CPU, µs each',
  busy: 'busy, %',
};

const LIMIT_COLUMNS = {
  platform: 'platform',
  request: 'request',
  limit: '1 / (unguarded + crypto.verify)',
  verifying: 'a guard that calls crypto.verify',
  v2: 'MAuth V2',
};

async function startAll(platform, variants) {
  const entries = await Promise.all(
    variants.map(async (variant) => [
      variant,
      await Child.start('application.mjs', {
        platform,
        variant,
        serviceUuid,
        appUuid: caller.appUuid,
        publicPem: publicPem(),
      }),
    ]),
  );
  return Object.fromEntries(entries);
}

/** One for the core that a server would use, and one for that of the load generator. */
function startVerifiers(seconds) {
  return Promise.all([1, 2].map(() => Child.start('verification.mjs', { seconds })));
}

/** One group, its samples added to `results`; beside a guard that verifies also the operation itself. */
async function measure(servers, verifiers, request, { rounds, leads, settledLeads, ...pace }, results) {
  const candidates = {};
  if (servers.verifying)
    candidates.raw = async () => (await Promise.all(verifiers.map((one) => one.ask('verify'))))[0];
  for (const [variant, server] of Object.entries(servers)) {
    if (request.without?.includes(variant)) continue;
    await expectGuarded(variant, server, request);
    candidates[variant] = async () =>
      load(server, await authenticated(variant, request), {
        answer: ANSWER,
        connections: request.connections,
        ...pace,
      });
  }
  await interleave(candidates, 0, leads);
  for (const server of Object.values(servers)) await server.ask('settle');
  await interleave(candidates, rounds, settledLeads, results);
}

/** The request as its guard wants it; to be made anew for each turn, for a signature holds for five minutes. */
async function authenticated(variant, { method, path, type, body }) {
  const headers = { host: 'localhost', ...(type && { 'content-type': type }) };
  return {
    method,
    path,
    ...(body && { body }),
    headers: { ...headers, ...(await proof(variant, { method, path, body })) },
  };
}

async function proof(variant, { method, path, body }) {
  if (/^v\d/.test(variant)) {
    return signer(variant.slice(0, 2)).signRequest({ method, url: path, body });
  }
  if (variant.startsWith('jwt')) {
    const jwt = new JwtService({
      privateKey: privatePem(),
      signOptions: { algorithm: 'RS512', expiresIn: '1h' },
    });
    return { authorization: `Bearer ${await jwt.signAsync({ sub: caller.appUuid })}` };
  }
  if (variant !== 'rfc9421') return {};
  const digest = body && `sha-512=:${createHash('sha512').update(body).digest('base64')}:`;
  const { headers } = await httpbis.signMessage(
    {
      key: createSigner(caller.privateKey, 'rsa-v1_5-sha256', caller.appUuid),
      fields: ['@method', '@path', '@query', ...(digest ? ['content-digest'] : [])],
    },
    { method, url: `http://localhost${path}`, headers: digest ? { 'content-digest': digest } : {} },
  );
  return headers;
}

/** A guard that let everything pass would be fast. */
async function expectGuarded(variant, server, request) {
  const isGuarded = /^(v\d|jwt|rfc)/.test(variant);
  const send = async ({ method, path, body, headers }) =>
    (await fetch(`http://127.0.0.1:${server.ready.port}${path}`, { method, body, headers })).status;
  const good = await authenticated(variant, request);
  const headers = Object.fromEntries(
    Object.entries(good.headers).map(([name, value]) => [
      name,
      /auth|^signature$/i.test(name) ? forged(value) : value,
    ]),
  );
  expect((await send(good)) === 200, `${variant} refuses good requests`);
  expect((await send({ ...good, headers })) === (isGuarded ? 401 : 200), `${variant} takes bad requests`);
}

/** The same text with other bits in the middle of its signature. */
function forged(value) {
  const place = value.length - 100;
  return value.slice(0, place) + (value[place] === 'A' ? 'B' : 'A') + value.slice(place + 1);
}

/** In the order of `VARIANTS`; beside an application without a guard, if need be by way of the group's first. */
function rowsOf(platform, request, groups) {
  const relatives = { unguarded: 1 };
  const figures = {};
  for (const [index, group] of groups.entries()) {
    const { variants } = GROUPS[index];
    const [first] = variants;
    for (const variant of variants.filter((one) => group[one])) {
      relatives[variant] ??= relatives[first] * ratio(group[variant].rate, group[first].rate);
      figures[variant] ??= group[variant];
    }
  }
  return Object.keys(VARIANTS)
    .filter((variant) => figures[variant])
    .map((variant) => {
      const { rate, p50, p99, cpu, busy } = figures[variant];
      return {
        platform,
        request,
        guard: VARIANTS[variant],
        rate: rate.median,
        spread: rate.spread,
        relative: relatives[variant],
        p50: p50.median,
        p99: p99.median,
        cpu: cpu.median,
        busy: busy.median,
      };
    });
}

/** Requests a second that an application could answer if a guard took as long as the operation alone, per round. */
function limitOf(unguarded, raw) {
  const limit = new Samples();
  limit.values = unguarded.rate.values.map((rate, round) => 1 / (1 / rate + raw.micros.values[round] / 1e6));
  return limit;
}

function limitRow(platform, request, { verifying, v2 }, limit) {
  const part = ({ rate }) => ratio(rate, limit);
  return { platform, request, limit: limit.median, verifying: part(verifying), v2: part(v2) };
}

function targetsOf(platform, kind, [limited, , open, tokens], limit) {
  const where = `${platform}, ${kind}`;
  const points = (variant) => (1 - ratio(open[variant].rate, open.passing.rate)) * 100;
  const ahead = (other) => ratio(tokens.v2.rate, tokens[other].rate);
  return [
    target(`${where}: V2 beside 1 / (unguarded + crypto.verify)`, ratio(limited.v2.rate, limit), {
      atLeast: 0.75,
    }),
    target(
      `${where}: V2 beside a guard that calls crypto.verify`,
      ratio(limited.v2.rate, limited.verifying.rate),
      { atLeast: 0.75 },
    ),
    target(
      `${where}: beside @nestjs/jwt with KeyObject`,
      ahead('jwt-key'),
      kind === 'GET' ? { above: 1 } : { atLeast: 0.95 },
    ),
    target(`${where}: beside @nestjs/jwt with PEM`, ahead('jwt-pem'), { atLeast: 1.5 }),
    target(`${where}: @Public() behind a guard that returns true`, points('public'), {
      atMost: 5,
      unit: ' points',
    }),
    target(`${where}: @OptionalMAuth() behind a guard that returns true`, points('optional'), {
      atMost: 5,
      unit: ' points',
    }),
  ];
}

function form(file) {
  const head =
    '--limit\r\nContent-Disposition: form-data; name="file"; filename="f"\r\nContent-Type: application/octet-stream\r\n\r\n';
  return Buffer.concat([Buffer.from(head), file, Buffer.from('\r\n--limit--\r\n')]);
}
