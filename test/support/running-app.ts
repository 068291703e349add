import 'reflect-metadata';
import { type INestApplication, type ModuleMetadata } from '@nestjs/common';
import { type AbstractHttpAdapter } from '@nestjs/core';
import { ExpressAdapter } from '@nestjs/platform-express';
import { FastifyAdapter } from '@nestjs/platform-fastify';
import { Test, type TestingModuleBuilder } from '@nestjs/testing';
import { type MAuthLogger } from '../../lib/config/options.js';

/** For `describe.each`: what holds must hold on both. */
export const PLATFORMS: readonly (readonly [string, () => AbstractHttpAdapter])[] = [
  ['Express', () => new ExpressAdapter()],
  ['Fastify', () => new FastifyAdapter()],
];

/** An application that listens on a free port. */
export interface RunningApp {
  readonly app: INestApplication;
  /** Without a trailing slash. */
  readonly url: string;
  close(): Promise<void>;
}

/**
 * Starts an application of these controllers, providers and imports. Nest itself logs nothing.
 *
 * @param prepare runs where `main.ts` would, before the application is initialised
 */
export async function startApp(
  createAdapter: () => AbstractHttpAdapter,
  metadata: ModuleMetadata,
  adjust: (builder: TestingModuleBuilder) => TestingModuleBuilder = (builder) => builder,
  prepare: (app: INestApplication) => unknown = () => undefined,
): Promise<RunningApp> {
  const testing = await adjust(Test.createTestingModule(metadata)).compile();
  const app = testing.createNestApplication(createAdapter(), { logger: false });
  try {
    await prepare(app);
    await app.listen(0, '127.0.0.1');
  } catch (error) {
    await app.close();
    throw error;
  }
  return { app, url: await app.getUrl(), close: () => app.close() };
}

/** Keeps log lines instead of writing them. */
export class RecordingLogger implements MAuthLogger {
  readonly lines: { readonly level: 'log' | 'warn' | 'error'; readonly message: string }[] = [];

  log(message: string): void {
    this.lines.push({ level: 'log', message });
  }

  warn(message: string): void {
    this.lines.push({ level: 'warn', message });
  }

  error(message: string): void {
    this.lines.push({ level: 'error', message });
  }
}
