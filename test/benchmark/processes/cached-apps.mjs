/** Authenticates one request of each of many apps, and says what memory that took. All of them stay in the cache. */
import { createReadStream } from 'node:fs';
import { createInterface } from 'node:readline';
import { MAuthAuthenticator } from 'nestjs-mauth/core';

const { file, count, serviceUuid, now } = JSON.parse(process.argv[2]);
const silent = { log() {}, warn() {}, error() {} };
let publicPem;
let lookups = 0;
let firstHeaders;
const authenticator = new MAuthAuthenticator({
  appUuid: serviceUuid,
  findPublicKey: () => (lookups++, publicPem),
  keys: { maxEntries: count },
  now: () => now,
  logger: silent,
  logAttempts: false,
});

const message = { method: 'GET', url: '/studies', body: null };
const used = () => {
  for (let i = 0; i < 3; i++) globalThis.gc();
  return { rss: process.memoryUsage.rss(), heap: process.memoryUsage().heapUsed };
};

let before;
let seen = 0;
for await (const line of createInterface({ input: createReadStream(file) })) {
  const { publicPem: pem, headers } = JSON.parse(line);
  publicPem = pem;
  firstHeaders ??= headers;
  const { authentic } = await authenticator.authenticateRequest({ ...message, headers });
  if (!authentic) throw new Error('A request of a known app is refused.');
  // The first ones pay for code that is compiled, and buffers that are made, once.
  if (++seen === Math.ceil(count / 10)) before = used();
}
const after = used();
// They were in the cache while memory was measured, and nobody has forgotten any.
await authenticator.authenticateRequest({ ...message, headers: firstHeaders });
if (lookups !== seen) throw new Error('An app has left the cache.');
const measured = seen - Math.ceil(count / 10);
process.send({
  apps: seen,
  lookups,
  rss: (after.rss - before.rss) / measured,
  heap: (after.heap - before.heap) / measured,
});
