import autocannon from 'autocannon';
import { expect, median } from './harness.mjs';

const CONNECTIONS = 32;

/**
 * Sends a request over and over, and asks the server what that took. A server that has had nothing to do for a while
 * gets a lead, which does not count: it has lost its place in the caches, and the more code it has the more of it.
 *
 * @param server a child that listens on `ready.port`
 * @param request `{ method, path, headers, body }`; every answer must be `answer`, with this status
 * @returns requests a second, latencies in milliseconds, the server's processor time for a request in microseconds,
 * and which part of the time its event loop was busy, in percent
 */
export async function load(
  server,
  request,
  { answer, status = 200, seconds, lead, connections = CONNECTIONS, amount },
) {
  if (lead) await send(server, request, { answer, status, connections, duration: lead });
  const before = await server.ask('usage');
  const { result, latencies } = await send(server, request, {
    answer,
    status,
    connections,
    ...(amount ? { amount } : { duration: seconds }),
  });
  const after = await server.ask('usage');
  const good = answeredWith(result, status);
  expect(good > 0, describe(result));
  const cpu = after.user + after.system - before.user - before.system;
  const idle = after.loop.idle - before.loop.idle;
  const active = after.loop.active - before.loop.active;
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    rate: (good * 1000) / (result.finish - result.start),
    p50: median(sorted),
    p99: sorted[Math.floor(sorted.length * 0.99)],
    cpu: cpu / good,
    busy: (active / (active + idle)) * 100,
  };
}

async function send(server, request, { answer, status, ...limits }) {
  const latencies = [];
  const run = autocannon({
    ...request,
    ...limits,
    url: `http://127.0.0.1:${server.ready.port}${request.path}`,
    expectBody: answer,
    sampleInt: 50,
    timeout: 60,
  });
  run.on('response', (_client, _status, _bytes, milliseconds) => latencies.push(milliseconds));
  const result = await run;
  const others = result['1xx'] + result['2xx'] + result.non2xx - answeredWith(result, status);
  expect(others + result.errors + result.timeouts + result.mismatches === 0, describe(result));
  return { result, latencies };
}

function answeredWith({ statusCodeStats }, status) {
  return statusCodeStats[status]?.count ?? 0;
}

function describe({ statusCodeStats, errors, timeouts, mismatches }) {
  return `answers ${JSON.stringify(statusCodeStats)}, ${errors} errors, ${timeouts} timeouts, ${mismatches} wrong bodies`;
}
