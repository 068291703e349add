/** What signing costs a client: axios plain and signed, one after the other and under concurrency. */
import 'reflect-metadata';
import { sign } from 'node:crypto';
import { Agent } from 'node:http';
import { monitorEventLoopDelay } from 'node:perf_hooks';
import { HttpModule, HttpService } from '@nestjs/axios';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import * as mauth from 'nestjs-mauth';
import { stringToSign } from 'nestjs-mauth/protocol';
import { expect, interleave, pace, ratio, target } from '../harness.mjs';
import { caller, signer, silent } from '../parties.mjs';
import { Child } from '../processes/child.mjs';

const { MAuthAxiosInterceptor, MAuthHttpService, MAuthModule } = mauth;
const BODY = { study: 'Mediflex', text: 'x'.repeat(900) };
const CONCURRENCY = [1, 16, 64];
/** Requests a second; the last is the one that is wanted, the others say how far a slower machine is from it. */
const PACES = [250, 500, 1000];
const PACED_SECONDS = 10;
// A machine that does not keep up shall say so, and not open thousands of connections.
const MOST_UNDER_WAY = 256;

export const title = 'Outbound';

export default async function outbound(options) {
  const { isQuick } = options;
  const { seconds, rounds } = pace(options, { seconds: 1.5, rounds: 7 });
  const server = await Child.start('http-server.mjs');
  const url = `http://127.0.0.1:${server.ready.port}/studies?page=1`;
  const closing = [];
  try {
    const { senders, skipped } = await sendersTo(url, closing);
    const rows = [];
    let gain;
    for (const concurrency of CONCURRENCY) {
      const candidates = Object.fromEntries(
        Object.entries(senders).map(([name, { send, answer }]) => [
          name,
          () => keepSending(send, answer, { concurrency, seconds: Math.max(seconds, 0.05) }),
        ]),
      );
      if (!isQuick) for (const warmUp of Object.values(candidates)) await warmUp();
      const measured = await interleave(candidates, rounds);
      rows.push(...rowsOf(concurrency, measured, senders));
      if (concurrency === 16)
        gain = ratio(measured['axios, V2'].rate, measured['axios, V2 signed synchronously'].rate);
    }
    const delays = [];
    for (const wanted of isQuick ? [100] : PACES) {
      for (const client of ['axios, plain', 'axios, V1 and V2']) {
        const paced = { rate: wanted, seconds: isQuick ? 0.2 : PACED_SECONDS };
        delays.push({ wanted, client, ...(await pacedDelay(senders[client], paced)) });
      }
    }
    const fastest = delays.at(-1);
    return {
      tables: [
        { title: 'POST of 1 kB to a bare server in another process', columns: COLUMNS, rows },
        {
          title: 'Event-loop delay at a fixed rate',
          columns: {
            wanted: 'wanted requests/s',
            client: 'client',
            rate: 'requests/s',
            p50: 'p50, ms',
            p99: 'p99, ms',
            max: 'largest, ms',
          },
          rows: delays,
        },
      ],
      targets: [
        target('V2 at 16 concurrent beside synchronous signing', gain, { atLeast: 1.4 }),
        target(`p99 event-loop delay at ${fastest.wanted} requests/s, V1 and V2`, fastest.p99, {
          atMost: 10,
          unit: ' ms',
        }),
        ...(isQuick
          ? []
          : [target('requests/s kept up meanwhile', fastest.rate, { atLeast: 0.99 * fastest.wanted })]),
      ],
      skipped,
    };
  } finally {
    for (const close of closing) await close();
    await server.stop();
  }
}

const COLUMNS = {
  concurrency: 'concurrent',
  client: 'client',
  rate: 'requests/s',
  spread: '± %',
  relative: 'of plain',
  p50: 'p50, ms',
  p99: 'p99, ms',
  delay: 'event-loop delay p99, ms',
};

/** Each client with the answer that shows that it signs what it is measured for. */
async function sendersTo(url, closing) {
  const httpAgent = new Agent({ keepAlive: true });
  closing.push(() => httpAgent.destroy());
  const service = async (signVersions, token, imports) => {
    class Client {}
    Module({ imports: imports(signVersions) })(Client);
    const application = await NestFactory.createApplicationContext(Client, {
      logger: false,
      abortOnError: false,
    });
    closing.push(() => application.close());
    return application.get(token).axiosRef;
  };
  const plain = () => service(undefined, HttpService, () => [HttpModule.register({ httpAgent })]);
  const signed = (signVersions) =>
    service(signVersions, MAuthHttpService, () => [
      MAuthModule.forRoot({
        appUuid: caller.appUuid,
        privateKey: caller.privateKey,
        signVersions,
        findPublicKey: () => caller.publicKey,
        logger: silent,
        http: { httpAgent, signedOrigins: [new URL(url).origin] },
      }),
    ]);
  const synchronous = await plain();
  MAuthAxiosInterceptor.attach(synchronous, synchronousSigner());
  const post = (axios) => async () => (await axios.post(url, BODY)).data;
  const senders = {
    'axios, plain': { send: post(await plain()), answer: 'unsigned' },
    'axios, V1': { send: post(await signed('v1')), answer: 'v1' },
    'axios, V2': { send: post(await signed('v2')), answer: 'v2' },
    'axios, V1 and V2': { send: post(await signed('v1,v2')), answer: 'v1,v2' },
    'axios, V2 signed synchronously': { send: post(synchronous), answer: 'v2' },
  };
  const text = JSON.stringify(BODY);
  const fetched = (fetcher) => async () =>
    (
      await fetcher(url, { method: 'POST', body: text, headers: { 'content-type': 'application/json' } })
    ).text();
  if (!mauth.signedFetch) return { senders, skipped: ['signedFetch is not part of this build'] };
  const signedOrigins = [new URL(url).origin];
  senders['fetch, plain'] = { send: fetched(fetch), answer: 'unsigned' };
  senders['signedFetch, V2'] = {
    send: fetched(mauth.signedFetch(fetch, signer('v2'), { signedOrigins })),
    answer: 'v2',
  };
  return { senders, skipped: [] };
}

/** What the thread pool is compared with. */
function synchronousSigner() {
  const { appUuid, privateKey } = caller;
  return {
    signRequest: async (request) => {
      const time = Math.floor(Date.now() / 1000);
      const signature = sign('sha512', stringToSign(2, { ...request, appUuid, time }), privateKey);
      return {
        'MCC-Authentication': `MWSV2 ${appUuid}:${signature.toString('base64')};`,
        'MCC-Time': String(time),
      };
    },
  };
}

/** As many requests under way as said, until the time is over. */
async function keepSending(send, answer, { concurrency, seconds }) {
  const latencies = [];
  const delay = monitorEventLoopDelay({ resolution: 1 });
  delay.enable();
  const start = performance.now();
  const end = start + seconds * 1000;
  const lane = async () => {
    while (performance.now() < end) {
      const sent = performance.now();
      const got = await send();
      if (got !== answer) expect(false, `a request is answered as ${got}, not as ${answer}`);
      latencies.push(performance.now() - sent);
    }
  };
  await Promise.all(Array.from({ length: concurrency }, lane));
  const elapsed = performance.now() - start;
  delay.disable();
  const sorted = latencies.toSorted((a, b) => a - b);
  return {
    rate: (latencies.length / elapsed) * 1000,
    p50: sorted[sorted.length >> 1],
    p99: sorted[Math.floor(sorted.length * 0.99)],
    delay: delay.percentile(99) / 1e6,
  };
}

/** Requests at a fixed rate, whether or not earlier ones have been answered; all of them are waited for. */
async function pacedDelay({ send, answer }, { rate, seconds }) {
  const delay = monitorEventLoopDelay({ resolution: 1 });
  const [under, total] = [new Set(), rate * seconds];
  delay.enable();
  const start = performance.now();
  for (let sent = 0; sent < total;) {
    const due = Math.min(total, ((performance.now() - start) / 1000) * rate);
    for (; sent < due && under.size < MOST_UNDER_WAY; sent++) {
      const request = send().then((got) => {
        under.delete(request);
        expect(got === answer, `a request is answered as ${got}, not as ${answer}`);
      });
      under.add(request);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  await Promise.all(under);
  const elapsed = (performance.now() - start) / 1000;
  delay.disable();
  const milliseconds = (nanoseconds) => nanoseconds / 1e6;
  return {
    rate: total / elapsed,
    p50: milliseconds(delay.percentile(50)),
    p99: milliseconds(delay.percentile(99)),
    max: milliseconds(delay.max),
  };
}

function rowsOf(concurrency, measured, senders) {
  return Object.keys(senders).map((client) => {
    const { rate, p50, p99, delay } = measured[client];
    const plain = measured[client.includes('etch') ? 'fetch, plain' : 'axios, plain'];
    return {
      concurrency: String(concurrency),
      client,
      rate: rate.median,
      spread: rate.spread,
      relative: ratio(rate, plain.rate),
      p50: p50.median,
      p99: p99.median,
      delay: delay.median,
    };
  });
}
