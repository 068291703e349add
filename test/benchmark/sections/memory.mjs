/** What memory takes: large uploads, many apps, many requests. Each is measured in a process of its own. */
import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, interleave, target } from '../harness.mjs';
import { load } from '../load.mjs';
import { caller, publicPem, serviceUuid, signer } from '../parties.mjs';
import { Child } from '../processes/child.mjs';
import { ANSWER } from '../processes/routes.mjs';
import { expectAnswer, upload } from '../upload.mjs';

const MIB = 1024 * 1024;
const LIMIT = 10 * MIB; // `body.maxHeldBytes`, unless it is set.

export const title = 'Memory';

export default async function memory({ isQuick }) {
  const platforms = isQuick ? ['Express'] : ['Express', 'Fastify'];
  const uploads = await measureUploads(platforms, isQuick ? 12 * MIB : 500_000_000, isQuick ? 1 : 5);
  const apps = await measureApps(isQuick ? 100 : 100_000);
  const heap = await measureHeap(platforms, isQuick ? 500 : 1_000_000);
  return {
    tables: [uploads.table, apps.table, heap.table],
    targets: [...uploads.targets, ...(isQuick ? [] : apps.targets)],
  };
}

const HELD = 'guarded, parsed by nothing';
const UPLOADS = {
  'no MAuth, read by the handler': { variant: 'unguarded', path: '/drain', status: 200 },
  '@Public(), read by the handler': { variant: 'public', path: '/drain', status: 200 },
  'guarded, parsed as it arrives': {
    variant: 'v2',
    path: '/parsed',
    type: 'application/x-drained',
    status: 200,
  },
  [HELD]: { variant: 'v2', path: '/drain', status: 413 },
};

async function measureUploads(platforms, size, rounds) {
  const bytes = Buffer.alloc(size, 'MAuth');
  const rows = [];
  const targets = [];
  for (const platform of platforms) {
    const candidates = Object.fromEntries(
      Object.entries(UPLOADS).map(([name, kind]) => [name, () => uploadOnce(platform, kind, bytes)]),
    );
    const measured = await interleave(candidates, rounds);
    for (const [route, { peak, rise }] of Object.entries(measured))
      rows.push({ platform, route, peak: peak.median, spread: peak.spread, rise: rise.median });
    // Beside an open route of the same application, which has loaded the same code.
    const above = measured[HELD].peak.median - measured['@Public(), read by the handler'].peak.median;
    targets.push(
      target(`${platform}, ${size / 1e6} MB that nothing parses: 413, and peak RSS above unguarded`, above, {
        atMost: (1.5 * LIMIT) / MIB,
        unit: ' MiB',
      }),
    );
  }
  const columns = {
    platform: 'platform',
    route: 'route',
    peak: 'peak RSS, MiB',
    spread: '± %',
    rise: 'rise, MiB',
  };
  return { table: { title: `Upload of ${size / 1e6} MB, limit 10 MiB`, columns, rows }, targets };
}

async function uploadOnce(platform, { variant, path, type = 'application/octet-stream', status }, bytes) {
  const server = await Child.start('application.mjs', {
    platform,
    variant,
    serviceUuid,
    appUuid: caller.appUuid,
    publicPem: publicPem(),
    mauthOptions: { body: { timeoutMs: 300_000 } },
  });
  try {
    const send = async (body) => {
      const headers = {
        'content-type': type,
        ...(await signer('v2').signRequest({ method: 'POST', url: path, body })),
      };
      return upload(server.ready.port, { path, headers, bytes: body });
    };
    await expectAnswer(await send(bytes.subarray(0, MIB)), { status: 200, text: `{"received":${MIB}}` });
    const before = await server.ask('memory');
    const text = status === 200 && `{"received":${bytes.length}}`;
    await expectAnswer(await send(bytes), { status, text });
    const { peak } = await server.ask('memory');
    return { peak: peak / MIB, rise: (peak - before.rss) / MIB };
  } finally {
    await server.stop();
  }
}

async function measureApps(count) {
  const { writeApps } = await import('../apps.mjs');
  const folder = mkdtempSync(join(tmpdir(), 'nestjs-mauth-benchmark-'));
  try {
    const file = join(folder, 'apps.jsonl');
    const now = Date.now();
    await writeApps(file, count, now);
    const child = await Child.start('cached-apps.mjs', { file, count, serviceUuid, now });
    const { apps, lookups, rss, heap } = child.ready;
    await child.stop();
    expect(apps === count && lookups === count, `${lookups} look-ups for ${apps} of ${count} apps`);
    return {
      table: {
        title: 'Apps in the cache, each used once',
        columns: { apps: 'apps', rss: 'RSS each, bytes', heap: 'of it JavaScript heap, bytes' },
        rows: [{ apps, rss, heap }],
      },
      targets: [target(`${count} cached apps that were used, each`, rss / 1000, { atMost: 6, unit: ' kB' })],
    };
  } finally {
    rmSync(folder, { recursive: true });
  }
}

async function measureHeap(platforms, requests) {
  const rows = [];
  for (const platform of platforms) {
    const options = { platform, variant: 'v2', serviceUuid, appUuid: caller.appUuid, publicPem: publicPem() };
    const server = await Child.start('application.mjs', options);
    try {
      const send = async (amount) => {
        const headers = await signer('v2').signRequest({ method: 'GET', url: '/studies' });
        await load(server, { method: 'GET', path: '/studies', headers }, { answer: ANSWER, amount });
      };
      await send(Math.max(64, requests / 20));
      const before = await server.ask('heap');
      // In parts, because a signature holds for five minutes.
      for (let sent = 0; sent < requests; sent += requests / 10) await send(requests / 10);
      const after = await server.ask('heap');
      rows.push({
        platform,
        requests,
        before: before.heap / MIB,
        after: after.heap / MIB,
        each: (after.heap - before.heap) / requests,
      });
    } finally {
      await server.stop();
    }
  }
  const columns = {
    platform: 'platform',
    requests: 'requests',
    before: 'heap before, MiB',
    after: 'after, MiB',
    each: 'growth for a request, bytes',
  };
  return { table: { title: 'Heap over many requests (V2, GET)', columns, rows } };
}
