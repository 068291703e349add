import { fork, type ChildProcess } from 'node:child_process';
import { randomUUID } from 'node:crypto';
import { once } from 'node:events';
import { createServer } from 'node:http';
import { type AddressInfo, type Socket } from 'node:net';
import { cpus } from 'node:os';
import { join } from 'node:path';
import { MAuthServiceStandIn } from '../support/mauth-service.js';
import { caller, PLATFORM_NAMES } from '../support/inbound-app.js';
import { sendBytes, signatureOf } from '../support/signed-http.js';
import { type MemoryFigures } from './remote-application.js';

const MEBIBYTE = 1024 * 1024;
const [BODIES, BODY] = [12, 10 * MEBIBYTE];
const BUDGET = BODIES * BODY;
const OCTETS = { 'content-type': 'application/octet-stream' };
const root = join(__dirname, '../..');

interface Ready {
  readonly port: number;
  readonly appUuid: string;
  readonly publicKeyPem: string;
}

/** An application in remote mode in a process of its own. */
class RemoteApplication {
  static async start(platform: string, mauthUrl: string): Promise<RemoteApplication> {
    const options = {
      mode: 'remote',
      mauthUrl,
      body: { maxHeldBytes: BODY, maxHeldBytesTotal: BUDGET },
      // So long that all bodies are held at once.
      service: { deadlineMs: 10_000 },
    };
    const child = fork(join(__dirname, 'remote-application.ts'), [JSON.stringify({ platform, options })], {
      execArgv: ['--require', join(root, 'test/support/run-typescript.js')],
      cwd: root,
    });
    const [ready] = (await once(child, 'message')) as [Ready];
    return new RemoteApplication(child, ready);
  }

  private constructor(
    private readonly child: ChildProcess,
    readonly ready: Ready,
  ) {}

  async ask(question: 'begin' | 'end'): Promise<MemoryFigures> {
    this.child.send(question);
    const [figures] = (await once(this.child, 'message')) as [MemoryFigures];
    return figures;
  }

  async stop(): Promise<void> {
    if (this.child.exitCode !== null) return;
    this.child.kill();
    await once(this.child, 'exit');
  }

  /** Statuses of as many requests at once, each with a body of its own connection, under one UUID. */
  async send(count: number, body: Buffer, appUuid: string): Promise<number[]> {
    const headers = { ...OCTETS, ...(await signatureOf({ body }, 'v2', { ...caller, appUuid })) };
    const { port } = this.ready;
    const answers = await Promise.all(
      Array.from({ length: count }, () => sendBytes({ port, headers, body })),
    );
    return answers.map(({ status }) => status);
  }
}

/** A MAuth service that takes connections and reads nothing, so that questions to it stay half written. */
async function startDeafService(): Promise<{ url: string; close(): Promise<void> }> {
  const sockets = new Set<Socket>();
  const server = createServer().on('connection', (socket: Socket) => {
    sockets.add(socket.pause());
  });
  server.removeAllListeners('request');
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  const close = async () => {
    for (const socket of sockets) socket.destroy();
    await new Promise((resolve) => server.close(resolve));
  };
  return { url: `http://127.0.0.1:${port}`, close };
}

const megabytes = (bytes: number) => Math.round(bytes / MEBIBYTE);

describe.each(PLATFORM_NAMES)('Memory of remote mode on %s', (platform) => {
  let application: RemoteApplication;

  afterEach(() => application.stop());

  async function growthOf(send: () => Promise<number[]>, expected: number, what: string): Promise<void> {
    const before = await application.ask('begin');
    const statuses = await send();
    const highest = await application.ask('end');
    const [rss, external] = [highest.rss - before.rss, highest.external - before.external].map(megabytes);
    console.info(
      `${platform}, ${BODIES} bodies of 10 MiB under a made-up UUID, ${what}: ${megabytes(highest.held)} MiB held, ` +
        `RSS +${rss} MiB, external memory +${external} MiB ` +
        `(${new Date().toISOString().slice(0, 10)}, Node ${process.version}, ${cpus().length} × ${cpus()[0]?.model})`,
    );
    expect(statuses).toEqual(Array(BODIES).fill(expected));
    expect(highest.held).toBe(BUDGET);
    expect(rss).toBeLessThan(megabytes(2 * BUDGET));
    expect(external).toBeLessThan(megabytes(2 * BUDGET));
  }

  it('grows by less than twice the budget while a slow MAuth service is asked', async () => {
    const mauth = await MAuthServiceStandIn.start({ apps: [caller] });
    application = await RemoteApplication.start(platform, mauth.url);
    const { appUuid, publicKeyPem } = application.ready;
    mauth.register(appUuid, publicKeyPem);
    expect(await application.send(1, Buffer.alloc(MEBIBYTE), caller.appUuid)).toEqual([200]);
    mauth.latency(4000);
    try {
      const body = Buffer.alloc(BODY, 'MAuth');
      const send = () => application.send(BODIES, body, randomUUID());
      await growthOf(send, 401, 'a MAuth service that takes 4 s');
    } finally {
      await mauth.stop();
    }
  }, 120_000);

  it('grows by less than twice the budget while the MAuth service reads nothing', async () => {
    const mauth = await startDeafService();
    application = await RemoteApplication.start(platform, mauth.url);
    try {
      const body = Buffer.alloc(BODY, 'MAuth');
      const send = () => application.send(BODIES, body, randomUUID());
      await growthOf(send, 503, 'a MAuth service that reads nothing');
    } finally {
      await mauth.close();
    }
  }, 120_000);
});
