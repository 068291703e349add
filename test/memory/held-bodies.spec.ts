import { Agent } from 'node:http';
import { setFlagsFromString } from 'node:v8';
import { runInNewContext } from 'node:vm';
import { HeldBytesBudget } from '../../lib/http/held-bytes.js';
import {
  PLATFORM_NAMES,
  startInboundApp,
  type InboundApp,
  type InboundAppOptions,
} from '../support/inbound-app.js';
import { RawConnection } from '../support/raw-connection.js';
import { sendSigned, signatureOf } from '../support/signed-http.js';
import { startUploadApp } from '../support/upload-app.js';
import { type NestFastifyApplication } from '@nestjs/platform-fastify';

const MEBIBYTE = 1024 * 1024;
const OCTETS = { 'content-type': 'application/octet-stream' };

setFlagsFromString('--expose-gc');
const collectGarbage = runInNewContext('gc') as () => void;

/** Resident memory of this process, callers included: how far it rises above where it was. */
class MemoryWatch {
  readonly #start: number;
  readonly #timer: NodeJS.Timeout;
  #peak: number;

  constructor() {
    collectGarbage();
    this.#start = process.memoryUsage.rss();
    this.#peak = this.#start;
    this.#timer = setInterval(() => this.look(), 20).unref();
  }

  look(): void {
    this.#peak = Math.max(this.#peak, process.memoryUsage.rss());
  }

  /** In MiB. */
  stop(): { start: number; peak: number; growth: number } {
    clearInterval(this.#timer);
    this.look();
    const [start, peak] = [this.#start, this.#peak].map((bytes) => Math.round(bytes / MEBIBYTE)) as [
      number,
      number,
    ];
    return { start, peak, growth: peak - start };
  }
}

describe.each(PLATFORM_NAMES)('Memory of held bodies on %s', (platform) => {
  let app: InboundApp;

  const options: InboundAppOptions = {
    options: { body: { timeoutMs: 500_000 } },
    prepare: (nest) => {
      if (platform !== 'Fastify') return;
      const instance = (nest as NestFastifyApplication).getHttpAdapter().getInstance();
      instance.addContentTypeParser('*', (_request, payload, done) => done(null, payload));
    },
  };

  beforeEach(async () => {
    app = await startInboundApp(platform, options);
    expect((await sendSigned({ port: app.port, headers: OCTETS, body: Buffer.alloc(MEBIBYTE) })).status).toBe(
      200,
    );
  });
  afterEach(() => app.close());

  it('stays small for 10 MiB in chunks of one byte', async () => {
    const length = 10 * MEBIBYTE;
    const signature = await signatureOf({ body: Buffer.alloc(length, 'x') });
    const tenThousandChunks = Buffer.from('1\r\nx\r\n'.repeat(10_000));
    const watch = new MemoryWatch();
    const connection = await RawConnection.open(app.port);
    await connection.writeHead('POST /receive', { ...OCTETS, ...signature, 'transfer-encoding': 'chunked' });
    for (let left = length; left > 0; left -= 10_000) {
      await connection.write(tenThousandChunks.subarray(0, 6 * Math.min(left, 10_000)));
    }
    await connection.write('0\r\n\r\n');
    expect((await connection.answer())?.status).toBe(200);
    const { start, peak, growth } = watch.stop();
    console.info(`10 MiB in chunks of one byte on ${platform}: RSS ${start} → ${peak} MiB (+${growth})`);
    // As an object of its own each byte takes some 450 bytes, which would make 4,500 MiB.
    expect(growth).toBeLessThan(1.5 * 10 + 100);
    expect(app.deliveries.at(-1)?.streamed?.length).toBe(length);
    connection.destroy();
  }, 540_000);

  it('stays within 1.5 times the bytes for 200 bodies with bad signatures at once', async () => {
    const [count, length] = [200, MEBIBYTE / 2];
    const signature = await signatureOf({ body: Buffer.from('something else') });
    const body = Buffer.alloc(length, 'x');
    app.deliveries.length = 0;
    const watch = new MemoryWatch();
    const connections = await Promise.all(Array.from({ length: count }, () => RawConnection.open(app.port)));
    await Promise.all(
      connections.map(async (connection) => {
        await connection.writeHead('POST /receive', { ...OCTETS, ...signature, 'content-length': length });
        await connection.write(body.subarray(1));
      }),
    );
    while (HeldBytesBudget.held < count * (length - 1))
      await new Promise((resolve) => setTimeout(resolve, 20));
    watch.look();
    const held = HeldBytesBudget.held / MEBIBYTE;
    await Promise.all(connections.map((connection) => connection.write('x')));
    const statuses = await Promise.all(
      connections.map(async (connection) => (await connection.answer())?.status),
    );
    const { start, peak, growth } = watch.stop();
    console.info(
      `200 bodies of 512 KiB with bad signatures on ${platform}: ${held.toFixed(1)} MiB held, RSS ${start} → ${peak} MiB (+${growth})`,
    );
    expect(new Set(statuses)).toEqual(new Set([401]));
    expect(app.deliveries).toEqual([]);
    expect(HeldBytesBudget.held).toBe(0);
    expect(growth).toBeLessThan(1.5 * 100 + 100);
    connections.forEach((connection) => connection.destroy());
  }, 120_000);
});

describe.each(PLATFORM_NAMES)('Memory of verified bodies on %s', (platform) => {
  it('is let go of when the handler has answered and given up on them, while their connections stay open', async () => {
    const [count, body] = [12, Buffer.alloc(10 * MEBIBYTE, 'x')];
    const app = await startUploadApp({ platform });
    app.handleWith(
      ({ stream }) => new Promise<void>((resolve) => stream.once('data', () => resolve(void stream.pause()))),
    );
    const agent = new Agent({ keepAlive: true });
    const upload = () => sendSigned({ port: app.port, path: '/upload', headers: OCTETS, body, agent });
    const inBuffers = () => {
      for (let i = 0; i < 3; i++) collectGarbage();
      return Math.round(process.memoryUsage().arrayBuffers / MEBIBYTE);
    };
    const start = inBuffers();
    const answers = await Promise.all(Array.from({ length: count }, upload));
    expect(new Set(answers.map(({ status }) => status))).toEqual(new Set([200]));
    for (let i = 0; i < 100 && HeldBytesBudget.held > 0; i++)
      await new Promise((resolve) => setTimeout(resolve, 20));
    expect(HeldBytesBudget.held).toBe(0);
    const growth = inBuffers() - start;
    console.info(`${count} bodies of 10 MiB given up on ${platform}: buffers ${start} MiB (+${growth})`);
    expect(Object.values(agent.freeSockets).flat()).toHaveLength(count);
    // The stream's own buffer is left, and the slab that did not fit into it.
    expect(growth).toBeLessThan(count);
    agent.destroy();
    await app.close();
  }, 120_000);
});
