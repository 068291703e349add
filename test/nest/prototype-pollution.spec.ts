import { fork, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { readdirSync, readFileSync } from 'node:fs';
import { request } from 'node:http';
import { join } from 'node:path';
import ts from 'typescript';
import { MAuthSigner } from '../../lib/core.js';
import { createTestApp } from '../support/test-app.js';

const root = join(__dirname, '../..');
const allowed = createTestApp();
const other = createTestApp();
const stranger = createTestApp();
const VALUES = ['true', 'path', 'function', 'identity'] as const;
/** All names with all values take many minutes. */
const isExhaustive = process.env.MAUTH_TEST_NAMES === 'all';
const isQuick = process.env.MAUTH_TEST_ALL !== 'true';

/** Names that say who may come in. */
const DECIDING = new Set([
  'access',
  'apps',
  'appUuid',
  'authentic',
  'body',
  'code',
  'exempt',
  'guard',
  'headers',
  'isGlobal',
  'method',
  'mode',
  'optional',
  'originalUrl',
  'pathPolicy',
  'protect',
  'public',
  'required',
  'status',
  'url',
  'useValue',
  'v2OnlyAuthenticate',
]);

/** Every name of a property that lib/ reads. */
function namesReadInLib(): string[] {
  const names = new Set<string>();
  const visit = (node: ts.Node): void => {
    if (ts.isPropertyAccessExpression(node) && ts.isIdentifier(node.name)) names.add(node.name.text);
    if (ts.isElementAccessExpression(node) && ts.isStringLiteralLike(node.argumentExpression)) {
      names.add(node.argumentExpression.text);
    }
    if (ts.isBindingElement(node) && ts.isObjectBindingPattern(node.parent)) {
      const name = node.propertyName ?? node.name;
      if (ts.isIdentifier(name) || ts.isStringLiteralLike(name)) names.add(name.text);
    }
    // `ownProperty(object, 'name')`, `'name' in object`, and members of types that stand for JSON.
    if (ts.isStringLiteralLike(node) && /^[a-zA-Z_][\w-]*$/.test(node.text)) names.add(node.text);
    ts.forEachChild(node, visit);
  };
  for (const file of readdirSync(join(root, 'lib'), { recursive: true, encoding: 'utf8' })) {
    if (!file.endsWith('.ts')) continue;
    const text = readFileSync(join(root, 'lib', file), 'utf8');
    visit(ts.createSourceFile(file, text, ts.ScriptTarget.ES2022, true));
  }
  return [...names].filter((name) => !(name in Object.prototype)).sort();
}

/** The servers, and the process that they run in; a name may break the engine itself, and then it is made anew. */
class PollutedProcess {
  #child: ChildProcess | undefined;
  ports: Record<string, number> = {};

  async start(): Promise<void> {
    this.stop();
    const apps = Object.fromEntries(
      [allowed, other].map(({ appUuid, publicKeyPem }) => [appUuid, publicKeyPem]),
    );
    this.#child = fork(
      join(__dirname, 'polluted-application.ts'),
      [JSON.stringify({ apps, allowed: allowed.appUuid })],
      {
        execArgv: ['--require', join(root, 'test/support/run-typescript.js')],
        stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
      },
    );
    await once(this.#child, 'message');
    await this.restart();
  }

  stop(): void {
    this.#child?.kill('SIGKILL');
  }

  /** New servers, without pollution. */
  async restart(): Promise<void> {
    this.ports = (await this.order('start')) as Record<string, number>;
  }

  /** @returns undefined where the process does not answer any more */
  async order(...order: string[]): Promise<unknown> {
    const child = this.#child as ChildProcess;
    const answer = new Promise((resolve) => {
      const timer = setTimeout(() => resolve(undefined), 5000);
      child.once('message', ({ answer }: { answer: unknown }) => {
        clearTimeout(timer);
        resolve(answer);
      });
    });
    child.send(order);
    return answer;
  }
}

interface Probe {
  readonly url: string;
  readonly headers: Record<string, string>;
  /** The only body that may come with 200; undefined: none may. */
  readonly body?: string;
  /** The servers that are asked; default all. */
  readonly kinds?: RegExp;
}

/** Status and body; undefined where there was no answer. */
function send(port: number, { url, headers }: Probe): Promise<{ status: number; body: string } | undefined> {
  return new Promise((resolve) => {
    const sent = request(
      { host: '127.0.0.1', port, path: url, headers, agent: false, timeout: 2000 },
      (response) => {
        let body = '';
        response.setEncoding('utf8');
        response.on('data', (text: string) => (body += text));
        response.on('end', () => resolve({ status: response.statusCode ?? 0, body }));
        response.on('error', () => resolve(undefined));
      },
    );
    sent.on('timeout', () => sent.destroy());
    sent.on('error', () => resolve(undefined));
    sent.end();
  });
}

async function probesOf(): Promise<Probe[]> {
  const signed = (app: typeof allowed, key: typeof allowed, url: string) =>
    new MAuthSigner({ appUuid: app.appUuid, privateKey: key.privateKey, signVersions: 'v2' }).signRequest({
      method: 'GET',
      url,
    });
  return [
    { url: '/closed/who', headers: {} },
    { url: '/closed/restricted', headers: {} },
    { url: '/closed/who', headers: await signed(allowed, stranger, '/closed/who') },
    { url: '/closed/who', headers: await signed(stranger, stranger, '/closed/who') },
    { url: '/closed/who', headers: await signed(other, other, '/closed/who'), body: other.appUuid },
    { url: '/closed/restricted', headers: await signed(other, other, '/closed/restricted'), kinds: /,/ },
    { url: '/inherited/who', headers: {}, kinds: /,/ },
    {
      url: '/inherited/who',
      headers: await signed(other, other, '/inherited/who'),
      body: other.appUuid,
      kinds: /,/,
    },
    { url: '/plain/who', headers: {}, kinds: /routes|everything/ },
    {
      url: '/plain/who',
      headers: await signed(stranger, stranger, '/plain/who'),
      kinds: /routes|everything/,
    },
    { url: '/mounted', headers: {}, kinds: /everything/ },
    { url: '/mounted', headers: await signed(stranger, stranger, '/mounted'), kinds: /everything/ },
  ];
}

describe('Whatever stands on Object.prototype', () => {
  const names = namesReadInLib();
  const polluted = new PollutedProcess();
  let probes: Probe[] = [];

  beforeAll(async () => {
    await polluted.start();
    probes = await probesOf();
  }, 60_000);
  afterAll(() => polluted.stop());

  /** What was served and should not have been. */
  async function opened(): Promise<string[]> {
    const found: string[] = [];
    await Promise.all(
      Object.entries(polluted.ports).map(async ([kind, port]) => {
        for (const probe of probes) {
          if (probe.kinds && !probe.kinds.test(kind)) continue;
          const answer = await send(port, probe);
          if (!answer || answer.status >= 400) continue;
          if (answer.body !== probe.body)
            found.push(`${kind}: ${probe.url} ${answer.status} ${answer.body.slice(0, 60)}`);
        }
      }),
    );
    return found;
  }

  /** Pairs of a name and a value; unless all are asked for, those that decide and some others. */
  const pairs = names.flatMap((name, index) =>
    VALUES.filter(
      (_, which) =>
        isExhaustive ||
        (DECIDING.has(name) && which < (isQuick ? 1 : 2)) ||
        (!isQuick && index % 8 === 0 && which === (index / 8) % VALUES.length),
    ).map((value): [string, string] => [name, value]),
  );

  it('has many names to try, and servers that work', async () => {
    expect(names.length).toBeGreaterThan(500);
    expect(Object.keys(polluted.ports)).toHaveLength(10);
    await expect(opened()).resolves.toEqual([]);
    for (const port of Object.values(polluted.ports)) {
      await expect(send(port, probes[4])).resolves.toEqual({ status: 200, body: other.appUuid });
    }
  });

  it('opens nothing after the start', async () => {
    const found: Record<string, string[]> = {};
    for (const [name, value] of pairs) {
      const isAlive = (await polluted.order('pollute', name, value)) !== undefined;
      const served = isAlive ? await opened() : [];
      if (served.length > 0) found[`${name} = ${value}`] = served;
      if (!isAlive || (await polluted.order('clean')) === undefined) await polluted.start();
    }
    expect(found).toEqual({});
  }, 600_000);

  // What a merge writes is enumerable, and then many things refuse to start at all; what is not seen by loops goes further.
  it.each(['enumerable', 'hidden'])(
    'opens nothing when it was there before the start, %s',
    async (kind) => {
      const found: Record<string, string[]> = {};
      let started = 0;
      for (const [name, value] of pairs.filter(([each]) => isExhaustive || DECIDING.has(each))) {
        const ports = await polluted.order('startPolluted', name, value, kind);
        polluted.ports = (ports ?? {}) as Record<string, number>;
        started += Object.keys(polluted.ports).length;
        const served = await opened();
        if (served.length > 0) found[`${name} = ${value}`] = served;
        if (ports === undefined || (await polluted.order('clean')) === undefined) await polluted.start();
      }
      expect(found).toEqual({});
      expect(started).toBeGreaterThan(pairs.length);
    },
    3_600_000,
  );
});
