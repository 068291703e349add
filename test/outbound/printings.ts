import { ConsoleLogger, Controller, Get, Module } from '@nestjs/common';
import { ExpressAdapter } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import { inspect } from 'node:util';
import pino from 'pino';

/** Writes a value as a log would hold it. */
export type Printing = (value: unknown) => Promise<string> | string;

/** A value, and its properties one by one: a log may be given either. */
function withProperties(value: unknown): unknown {
  return { value, ...(value as object) };
}

function json(value: unknown): string {
  try {
    return JSON.stringify(value) ?? '';
  } catch (error) {
    // Circles are no business of ours.
    return String(error);
  }
}

/** Runs with the streams of the process caught, and returns what was written there. */
async function caught(write: () => Promise<void> | void): Promise<string> {
  const chunks: string[] = [];
  const streams = [process.stdout, process.stderr].map((stream) =>
    jest.spyOn(stream, 'write').mockImplementation((chunk) => chunks.push(String(chunk)) > 0),
  );
  try {
    await write();
  } finally {
    for (const stream of streams) stream.mockRestore();
  }
  return chunks.join('');
}

function withPino(value: unknown): string {
  const lines: string[] = [];
  const { err, errWithCause } = pino.stdSerializers;
  for (const serializer of [err, errWithCause]) {
    const logger = pino({ serializers: { err: serializer } }, { write: (line) => void lines.push(line) });
    logger.error({ err: value, error: value }, 'failed');
    logger.error(value as Error);
  }
  return lines.join('\n');
}

const forever = { depth: Infinity, maxArrayLength: Infinity, maxStringLength: Infinity } as const;

export const PRINTINGS: Record<string, Printing> = {
  'util.inspect': (value) => inspect(value),
  'util.inspect at any depth': (value) => inspect(value, forever),
  'util.inspect, hidden properties as well': (value) => inspect(value, { ...forever, showHidden: true }),
  'util.inspect, proxies and getters as well': (value) =>
    inspect(value, { ...forever, showHidden: true, showProxy: true, getters: true }),
  'util.inspect without custom functions': (value) =>
    inspect(value, { ...forever, showHidden: true, customInspect: false }),
  'JSON.stringify': (value) => `${json(value)} ${json(withProperties(value))}`,
  'error.toJSON': (value) => {
    const { toJSON } = value as { toJSON?: () => unknown };
    return typeof toJSON === 'function' ? inspect(toJSON.call(value), forever) : '';
  },
  "Nest's logger": (value) =>
    caught(() => {
      const logger = new ConsoleLogger();
      logger.error(value);
      logger.error('failed', value);
      logger.error({ value });
      logger.warn(withProperties(value));
    }),
  "Nest's logger, as JSON": (value) =>
    caught(() => {
      for (const compact of [true, false]) {
        const logger = new ConsoleLogger({ json: true, compact, depth: Infinity });
        logger.error(value);
        logger.error('failed', value);
        logger.warn({ value });
        logger.warn(withProperties(value));
      }
    }),
  "pino's error serializers": withPino,
};

@Controller()
class Failing {
  static error: unknown;

  @Get()
  fail() {
    throw Failing.error;
  }
}

@Module({ controllers: [Failing] })
class FailingModule {}

export interface ExceptionHandlers {
  /** What Nest writes when a handler lets the error go. */
  readonly print: Printing;
  close(): Promise<void>;
}

/** Applications that leave errors to Nest: one logs text, the other JSON. */
export async function defaultExceptionHandlers(): Promise<ExceptionHandlers> {
  const apps = await Promise.all(
    [false, true].map(async (isJson) => {
      const testing = await Test.createTestingModule({ imports: [FailingModule] }).compile();
      const logger = new ConsoleLogger({ json: isJson, depth: Infinity, logLevels: ['error', 'fatal'] });
      const app = testing.createNestApplication(new ExpressAdapter(), { logger });
      await app.listen(0, '127.0.0.1');
      return { app, url: await app.getUrl() };
    }),
  );
  return {
    print: (value) =>
      caught(async () => {
        Failing.error = value;
        for (const { url } of apps) {
          const response = await fetch(url, { headers: { connection: 'close' } });
          expect([response.status < 500, (await response.text()).includes('MWS')]).toEqual([false, false]);
        }
      }),
    close: async () => {
      for (const { app } of apps) await app.close();
    },
  };
}
