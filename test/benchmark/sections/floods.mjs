/** How long an app that calls for the first time waits while requests under made-up UUIDs flood the service. */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { MAuthSigner } from 'nestjs-mauth/core';
import { expect, median, target } from '../harness.mjs';
import { caller, lowerCase, privatePem, publicPem, serviceUuid, signer } from '../parties.mjs';
import { Child } from '../processes/child.mjs';

/** How long a newcomer that was answered with 503 waits before it asks again. */
const RETRY_MS = 300;
const ROUTE = { method: 'GET', url: '/studies' };

export const title = 'Floods';

export default async function floods({ isQuick }) {
  const scale = isQuick
    ? { newcomers: 1, perSecond: 800, connections: 50, leadMs: 100, latencies: { cache: 5, http: 20 } }
    : {
        newcomers: 10,
        perSecond: 8000,
        connections: 300,
        leadMs: 5000,
        latencies: { cache: 50, http: 500 },
      };
  const rows = [await floodKeyCache(scale)];
  for (const platform of isQuick ? ['Express'] : ['Express', 'Fastify'])
    rows.push(await floodApplication(platform, scale));
  return {
    notes: [
      `A newcomer is an app that is registered and has not called before. It asks again ${RETRY_MS} ms after each 503; ` +
        'newcomers come one after the other while the flood goes on. The key cache is flooded at a steady rate, without ' +
        'HTTP; an application by a process with 300 connections, each of which sends its next request when the last ' +
        'one was answered, once all of them have been accepted. Flood, application and MAuth service are processes of their own.',
    ],
    tables: [
      {
        title: 'Requests under made-up UUIDs',
        columns: {
          what: 'flooded',
          latency: 'MAuth service takes, ms',
          rate: 'made-up requests/s',
          turnedAway: 'of them 503, %',
          asked: 'questions/s',
          mostOpen: 'open at most',
          newcomers: 'newcomers let in',
          median: 'after, ms (median)',
          slowest: 'slowest, ms',
          tries: 'tries at most',
        },
        rows,
      },
    ],
    targets: rows.map(({ what, slowest }) =>
      target(`${what}: the slowest of ten newcomers is let in within`, slowest, {
        atMost: 3000,
        unit: ' ms',
      }),
    ),
  };
}

async function floodKeyCache({ newcomers, perSecond, leadMs, latencies }) {
  const flooded = await Child.start('flooded-keys.mjs', {
    newcomers: Array.from({ length: newcomers }, () => randomUUID()),
    publicPem: publicPem(),
    privatePem: privatePem(),
    serviceUuid,
    appUuid: caller.appUuid,
    headers: lowerCase(await signer('v2').signRequest(ROUTE)),
    perSecond,
    latencyMs: latencies.cache,
    retryMs: RETRY_MS,
  });
  try {
    return await measure({
      what: 'key cache',
      latency: latencies.cache,
      leadMs,
      newcomers,
      letIn: () => flooded.ask('letIn'),
      flood: () => flooded.ask('counts'),
      service: () => flooded.ask('counts'),
    });
  } finally {
    await flooded.stop();
  }
}

async function floodApplication(platform, { newcomers, connections, leadMs, latencies }) {
  const appUuids = Array.from({ length: newcomers }, () => randomUUID());
  const children = [];
  const start = async (...of) => {
    children.push(await Child.start(...of));
    return children.at(-1);
  };
  try {
    const latencyMs = latencies.http;
    const service = await start('mauth-service.mjs', { appUuids, publicPem: publicPem(), latencyMs });
    const mauthUrl = `http://127.0.0.1:${service.ready.port}`;
    const application = await start('application.mjs', {
      platform,
      variant: 'v2',
      serviceUuid,
      mauthOptions: { mauthUrl, privateKey: privatePem() },
    });
    const url = `http://127.0.0.1:${application.ready.port}${ROUTE.url}`;
    const headers = await signer('v2').signRequest(ROUTE);
    const flood = await start('flood.mjs', { url, headers, appUuid: caller.appUuid, connections });
    return await measure({
      what: platform,
      latency: latencyMs,
      leadMs,
      newcomers,
      letIn: () => letIn(url, appUuids.shift()),
      flood: () => flood.ask('counts'),
      service: () => service.ask('counts'),
    });
  } finally {
    await Promise.all(children.map((child) => child.stop()));
  }
}

/** How long it takes until an application answers the newcomer, and at which try. */
async function letIn(url, appUuid) {
  const own = new MAuthSigner({ appUuid, privateKey: caller.privateKey, signVersions: 'v2' });
  const began = performance.now();
  for (let tries = 1; ; tries++) {
    const { status } = await fetch(url, { headers: await own.signRequest(ROUTE) });
    if (status === 200) return { ms: performance.now() - began, tries };
    expect(status === 503, `a newcomer is answered with ${status}`);
    await wait(RETRY_MS);
  }
}

async function measure({ what, latency, leadMs, newcomers, letIn, flood, service }) {
  await wait(leadMs);
  const [floodBefore, serviceBefore] = [await flood(), await service()];
  const times = [];
  while (times.length < newcomers) times.push(await letIn());
  const [floodAfter, serviceAfter] = [await flood(), await service()];
  const seconds = (floodAfter.at - floodBefore.at) / 1000;
  const [unknown, turnedAway, others] = [401, 503, 'others'].map(
    (status) => floodAfter[status] - floodBefore[status],
  );
  expect(others === 0, `${others} made-up requests are answered with something else than 401 and 503`);
  const milliseconds = times.map(({ ms }) => ms);
  return {
    what,
    latency,
    rate: (unknown + turnedAway) / seconds,
    turnedAway: (turnedAway / (unknown + turnedAway)) * 100,
    asked: (serviceAfter.asked - serviceBefore.asked) / seconds,
    mostOpen: serviceAfter.mostOpen,
    newcomers: `${times.length} of ${newcomers}`,
    median: median(milliseconds),
    slowest: Math.max(...milliseconds),
    tries: Math.max(...times.map(({ tries }) => tries)),
  };
}
