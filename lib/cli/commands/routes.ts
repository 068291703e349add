import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { resolve } from 'node:path';
import { type INestApplication, type Type } from '@nestjs/common';
import { type NestFactory } from '@nestjs/core';
import { type MAuthSettings } from '../../config/options.js';
import { type HandlerPlace } from '../../nest/access-policy.js';
import { handlerProtection, strictest } from '../../nest/handler-protection.js';
import { type InboundAuthenticator } from '../../nest/inbound-authenticator.js';
import { type MAuthProtection } from '../../nest/module-options.js';
import { type NestCore } from '../../nest/nest-core.js';
import { recordRoutes, RouteMap, type MappedRoute } from '../../nest/route-map.js';
import { MAUTH_INBOUND_AUTHENTICATOR, MAUTH_NEST, MAUTH_PROTECT, MAUTH_SETTINGS } from '../../nest/tokens.js';
import { CommandFailure, EXIT, wrongConfiguration, wrongUsage } from '../exit-codes.js';
import { routeTable, tableDifference, type RouteRow } from '../route-table.js';
import { type Terminal } from '../terminal.js';

export interface RoutesFlags {
  readonly check?: string;
  readonly write?: string;
  readonly json?: boolean;
  readonly prefix?: string;
}

/** `mauth routes`: which handlers of an application are protected, as its guard decides it. */
export async function routes(path: string, flags: RoutesFlags, terminal: Terminal): Promise<number> {
  if (flags.check !== undefined && flags.write !== undefined) throw wrongUsage('Either --check or --write.');
  const before = flags.check === undefined ? undefined : readTable(flags.check);
  const rows = await rowsOf(resolve(path), flags.prefix);
  const table = routeTable(rows);
  if (flags.write !== undefined) {
    writeTable(flags.write, table);
    terminal.note(`${rows.length} routes written to ${flags.write}.`);
    return EXIT.done;
  }
  if (before === undefined) {
    await terminal.write(flags.json ? `${JSON.stringify(rows, undefined, 2)}\n` : table);
    return EXIT.done;
  }
  const difference = tableDifference(before, table);
  for (const line of difference) terminal.print(line, line.startsWith('-') ? 'red' : 'green');
  if (difference.length === 0) return EXIT.done;
  terminal.note(
    `Routes or their protection have changed; if that is meant: mauth routes ${path} --write ${flags.check}`,
  );
  return EXIT.inauthentic;
}

function readTable(file: string): string {
  try {
    return readFileSync(file, 'utf8');
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw wrongUsage(`--check names a file that cannot be read (${code}): ${file}; --write makes it.`);
  }
}

function writeTable(file: string, table: string): void {
  try {
    writeFileSync(file, table);
  } catch (error) {
    const { code = 'unknown error' } = error as NodeJS.ErrnoException;
    throw wrongUsage(`--write names a file that cannot be written (${code}): ${file}.`);
  }
}

async function rowsOf(file: string, prefix: string | undefined): Promise<RouteRow[]> {
  const load = createRequire(file);
  const app = await createApplication(load, appModuleOf(load, file));
  try {
    if (prefix !== undefined) app.setGlobalPrefix(prefix);
    // Symbols are the same in every copy of this package, classes are not.
    const get = <T>(token: symbol) => app.get<T>(token, { strict: false });
    const map = new RouteMap(mauthOf(() => get<NestCore>(MAUTH_NEST)));
    const registered = recordRoutes(app.getHttpAdapter());
    await started(() => app.init());
    const inbound = get<InboundAuthenticator>(MAUTH_INBOUND_AUTHENTICATOR);
    const protect = get<MAuthProtection>(MAUTH_PROTECT);
    const { apps } = get<MAuthSettings>(MAUTH_SETTINGS);
    return map.of(registered).map((route) => rowOf(route, inbound, protect, namesOf(apps)));
  } finally {
    await app.close().catch(() => undefined);
  }
}

function appModuleOf(load: NodeJS.Require, file: string): Type {
  let exported: { AppModule?: unknown; default?: unknown };
  try {
    exported = load(file) as typeof exported;
  } catch (error) {
    throw notStarted(`${file} cannot be loaded`, error);
  }
  const found = exported.AppModule ?? exported.default;
  if (typeof found === 'function') return found as Type;
  throw wrongUsage(
    `${file} exports no AppModule, and no class by default: name the file of the root module.`,
  );
}

/** With the application's own Nest, and whichever HTTP platform it has. */
async function createApplication(load: NodeJS.Require, appModule: Type): Promise<INestApplication> {
  const { NestFactory: factory } = load('@nestjs/core') as { NestFactory: typeof NestFactory };
  const options = { logger: false, abortOnError: false } as const;
  return started(async () => {
    const adapter = fastifyUnlessExpress(load);
    return adapter
      ? factory.create(appModule, adapter as never, options)
      : factory.create(appModule, options);
  });
}

function fastifyUnlessExpress(load: NodeJS.Require): object | undefined {
  try {
    load.resolve('@nestjs/platform-express');
    return undefined;
  } catch {
    const { FastifyAdapter } = load('@nestjs/platform-fastify') as { FastifyAdapter: new () => object };
    return new FastifyAdapter();
  }
}

async function started<T>(start: () => Promise<T>): Promise<T> {
  try {
    return await start();
  } catch (error) {
    throw notStarted('The application does not start', error);
  }
}

function notStarted(what: string, cause: unknown): CommandFailure {
  const { message } = cause as Error;
  return new CommandFailure(EXIT.configuration, `${what}: ${message}`, { cause });
}

function mauthOf<T>(get: () => T): T {
  try {
    return get();
  } catch {
    throw wrongConfiguration(
      'The application has no MAuthModule: import MAuthModule.forRoot() in its root module.',
    );
  }
}

function namesOf(apps: Readonly<Record<string, string>>): ReadonlyMap<string, string> {
  return new Map(Object.entries(apps).map(([name, appUuid]) => [appUuid.toLowerCase(), name]));
}

function rowOf(
  { method, path, places }: MappedRoute,
  inbound: InboundAuthenticator,
  protect: MAuthProtection,
  names: ReadonlyMap<string, string>,
): RouteRow {
  const { access } = strictest(places.map((place) => handlerProtection(inbound, protect, place, path)));
  const allowed =
    access === 'open' ? [] : places.flatMap((place) => [...(inbound.policies.of(place).apps ?? [])]);
  return {
    method,
    path,
    handler: places.map(nameOf).join(' or '),
    protection: access,
    ...(allowed.length > 0 && {
      apps: [...new Set(allowed)].map((appUuid) => names.get(appUuid) ?? appUuid),
    }),
  };
}

function nameOf({ controller, handler }: HandlerPlace): string {
  return `${controller.name}.${handler.name}`;
}
