import { ConsoleLogger, Controller, Get, Logger, type LoggerService } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MAuthModule, type MAuthLogger } from '../../lib/index.js';
import { Caller } from '../support/caller.js';
import { caller, createAdapter, PLATFORM_NAMES, service, type PlatformName } from '../support/inbound-app.js';

@Controller()
class Studies {
  @Get('studies')
  all(): string {
    return 'all';
  }
}

const FIELDS = {
  outcome: 'inauthentic',
  code: 'signature_mismatch',
  detail: 'other_message',
  appUuid: caller.appUuid,
  protocolVersion: 2,
  usedFallback: false,
  source: 'request',
  method: 'GET',
  path: '/studies',
  durationMs: expect.any(Number),
};
const LINE = `MAuth: GET /studies from app ${caller.appUuid} is inauthentic (signature_mismatch: other_message)`;

/** What an application writes when a request with a signature of something else comes. */
async function written(platform: PlatformName, logger: LoggerService, own?: MAuthLogger): Promise<string> {
  const mauth = MAuthModule.forRoot({
    appUuid: service.appUuid,
    privateKey: service.privateKey,
    findPublicKey: () => caller.publicKey,
    protect: 'routes',
    logAttempts: false,
    ...(own && { logger: own }),
  });
  const output: string[] = [];
  const write = (chunk: unknown) => output.push(String(chunk)) > 0;
  const spies = [process.stdout, process.stderr].map((stream) =>
    jest.spyOn(stream, 'write').mockImplementation(write as never),
  );
  const root = { module: class Root {}, imports: [mauth], controllers: [Studies] };
  const app = await NestFactory.create(root, createAdapter(platform), { logger });
  try {
    await app.listen(0, '127.0.0.1');
    output.length = 0;
    await new Caller(caller).badlySigned(`${await app.getUrl()}/studies?secret=1`);
  } finally {
    await app.close();
    for (const spy of spies) spy.mockRestore();
    Logger.overrideLogger(new ConsoleLogger());
  }
  expect(output.join('')).not.toContain('secret');
  return output.join('');
}

describe.each(PLATFORM_NAMES)('The line about a refused request, on %s', (platform) => {
  it("carries its fields where Nest's console writes JSON", async () => {
    const logged = await written(platform, new ConsoleLogger({ json: true }));
    expect(JSON.parse(logged)).toMatchObject({
      level: 'warn',
      context: 'MAuth',
      message: { message: LINE, ...FIELDS },
    });
  });

  it('is one line of text where it writes text', async () => {
    const logged = await written(platform, new ConsoleLogger({ colors: false }));
    expect(logged.trimEnd().split('\n')).toHaveLength(1);
    expect(logged).toContain(LINE);
    expect(logged).not.toContain('durationMs');
  });

  it('is text for a logger that says nothing of fields', async () => {
    const lines: unknown[][] = [];
    const keep = (...args: unknown[]) => void lines.push(args);
    await written(platform, { log: () => undefined, error: keep, warn: keep });
    expect(lines).toEqual([[LINE, 'MAuth']]);
  });

  it('goes with its fields to a logger of the option that takes them', async () => {
    const refusals: unknown[] = [];
    const nothing = () => undefined;
    await written(platform, new ConsoleLogger({ logLevels: [] }), {
      log: nothing,
      warn: nothing,
      error: nothing,
      refused: (message, event) => void refusals.push([message, { ...event }]),
    });
    expect(refusals).toEqual([[LINE, FIELDS]]);
  });
});
