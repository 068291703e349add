/** What signing its answers costs a service that authenticates requests. */
import { expect, interleave, pace, ratio } from '../harness.mjs';
import { load } from '../load.mjs';
import { caller, privatePem, publicPem, serviceUuid, signer } from '../parties.mjs';
import { Child } from '../processes/child.mjs';

const PAGES = { '1 kB': '/pages/1', '100 kB': '/pages/100' };
const VERSIONS = { V1: 'v1', V2: 'v2' };

export const title = 'Responses';

export default async function responses(options) {
  const { isQuick } = options;
  const { seconds, rounds } = pace(options, { seconds: 1.5, rounds: 5 });
  const rows = [];
  for (const platform of ['Express', 'Fastify']) {
    const servers = await startBoth(platform);
    try {
      for (const [version, signVersions] of Object.entries(VERSIONS)) {
        if (!(await isSigned(servers.signed, signVersions))) {
          return { skipped: ['responses are not signed by this build'] };
        }
        for (const [size, path] of Object.entries(PAGES)) {
          const headers = await signer(signVersions).signRequest({ method: 'GET', url: path });
          const run = (server) => () =>
            load(
              server,
              { method: 'GET', path, headers },
              isQuick ? { amount: 8, connections: 4 } : { seconds },
            );
          const candidates = { unsigned: run(servers.unsigned), signed: run(servers.signed) };
          if (!isQuick) for (const warmUp of Object.values(candidates)) await warmUp();
          const measured = await interleave(candidates, rounds);
          rows.push(...rowsOf({ platform, version, size }, measured));
        }
      }
    } finally {
      await Promise.all(Object.values(servers).map((server) => server.stop()));
    }
  }
  return {
    tables: [{ title: 'GET of a guarded route, answers unsigned and signed', columns: COLUMNS, rows }],
  };
}

const COLUMNS = {
  platform: 'platform',
  version: 'version',
  size: 'answer',
  answers: '',
  rate: 'requests/s',
  spread: '± %',
  relative: 'of unsigned',
  p50: 'p50, ms',
  p99: 'p99, ms',
  cpu: 'CPU, µs each',
};

async function startBoth(platform) {
  const parties = { serviceUuid, appUuid: caller.appUuid, publicPem: publicPem() };
  const start = (sign) =>
    Child.start('application.mjs', {
      platform,
      variant: 'v2',
      ...parties,
      mauthOptions: { privateKey: privatePem(), responses: { sign } },
    });
  return { unsigned: await start(false), signed: await start(true) };
}

async function isSigned(server, signVersions) {
  const headers = await signer(signVersions).signRequest({ method: 'GET', url: '/pages/1' });
  const response = await fetch(`http://127.0.0.1:${server.ready.port}/pages/1`, { headers });
  expect(response.status === 200, `a signed request is answered with ${response.status}`);
  return response.headers.has(signVersions === 'v2' ? 'mcc-authentication' : 'x-mws-authentication');
}

function rowsOf(where, { unsigned, signed }) {
  const row = (answers, { rate, p50, p99, cpu }) => ({
    ...where,
    answers,
    rate: rate.median,
    spread: rate.spread,
    relative: ratio(rate, unsigned.rate),
    p50: p50.median,
    p99: p99.median,
    cpu: cpu.median,
  });
  return [row('unsigned', unsigned), row('signed', signed)];
}
