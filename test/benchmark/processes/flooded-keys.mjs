/**
 * A key cache in front of a source that takes its time, flooded with made-up UUIDs at a steady rate, without HTTP in
 * between; apps that are registered but unknown to it try to be let in.
 */
import { randomUUID } from 'node:crypto';
import { setTimeout as wait } from 'node:timers/promises';
import { MAuthAuthenticator, MAuthSigner } from 'nestjs-mauth/core';
import { answerQuestions } from './answer-questions.mjs';

const options = JSON.parse(process.argv[2]);
const { newcomers, publicPem, privatePem, serviceUuid, appUuid, headers, perSecond, latencyMs, retryMs } =
  options;
const registered = new Set(newcomers);
const authenticator = new MAuthAuthenticator({
  appUuid: serviceUuid,
  findPublicKey: async (asked) => {
    counts.asked++;
    counts.mostOpen = Math.max(counts.mostOpen, ++counts.open);
    await wait(latencyMs);
    counts.open--;
    return registered.has(asked) ? publicPem : undefined;
  },
  logger: { log() {}, warn() {}, error() {} },
  logAttempts: false,
});
const message = { method: 'GET', url: '/studies', body: null };
const counts = { 401: 0, 503: 0, others: 0, asked: 0, open: 0, mostOpen: 0 };

const started = performance.now();
let sent = 0;
setInterval(() => {
  const due = Math.floor(((performance.now() - started) * perSecond) / 1000);
  // Never more at once than of a quarter of a second: a process that cannot keep up says so by its rate.
  for (sent = Math.max(sent, due - perSecond / 4); sent < due; sent++) void makeUp();
}, 2);

async function makeUp() {
  const madeUp = {
    ...headers,
    'mcc-authentication': headers['mcc-authentication'].replace(appUuid, randomUUID()),
  };
  const { status } = await authenticator.authenticateRequest({ ...message, headers: madeUp });
  counts[status in counts ? status : 'others']++;
}

/** The next newcomer: how long it takes until it is let in, and at which try. */
async function letIn() {
  const next = newcomers.shift();
  const signer = new MAuthSigner({ appUuid: next, privateKey: privatePem, signVersions: 'v2' });
  const began = performance.now();
  for (let tries = 1; ; tries++) {
    const headers = await signer.signRequest(message);
    const result = await authenticator.authenticateRequest({ ...message, headers });
    if (result.authentic) return { ms: performance.now() - began, tries };
    if (result.status !== 503) throw new Error(`A newcomer is refused with ${result.code}.`);
    await wait(retryMs);
  }
}

answerQuestions({ counts: () => ({ ...counts, at: performance.now() }), letIn });
process.send({});
