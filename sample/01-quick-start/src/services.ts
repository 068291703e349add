import { type AddressInfo } from 'node:net';
import { type DynamicModule, type INestApplication } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { FakeMAuthService } from 'nestjs-mauth/testing';
import { ClientModule } from './client/client.module.js';
import { createApp, type RegisteredApp } from './registered-app.js';
import { LogLines } from './scenario/log-lines.js';
import { StudiesModule } from './studies/studies.module.js';

/** What a run consists of: a MAuth service for tests and two services of Nest, on free ports of this machine. */
export interface Services {
  readonly mauthUrl: string;
  readonly studiesUrl: string;
  readonly clientUrl: string;
  /** The client service; `reporting` is allowed to read safety reports, `client` is not. */
  readonly client: INestApplication;
  readonly reporting: INestApplication;
  readonly clientApp: RegisteredApp;
  /** What the studies service wrote about refusals. */
  readonly studiesLog: LogLines;
  close(): Promise<void>;
}

/** Where the services are, and who else is known there. */
export interface ServicesOptions {
  /** Of the MAuth service; the others get the next ones. Default: free ones. */
  readonly firstPort?: number;
  /** Apps of your own. */
  readonly apps?: readonly Pick<RegisteredApp, 'appUuid' | 'publicKey'>[];
}

/** Starts a fake MAuth service, then the studies service, then two instances of the client as two apps. */
export async function startServices({ firstPort = 0, apps = [] }: ServicesOptions = {}): Promise<Services> {
  const [studies, client, reporting] = [createApp(), createApp(), createApp()];
  const mauthService = await FakeMAuthService.start({ port: firstPort });
  const { url: mauthUrl } = mauthService;
  for (const app of [studies, client, reporting, ...apps]) mauthService.register(app);
  const running: INestApplication[] = [];
  const start = async (module: DynamicModule) => {
    const app = await NestFactory.create(module, { logger: ['error'] });
    await app.listen(firstPort && firstPort + 1 + running.length, '127.0.0.1');
    running.push(app);
    return { app, url: `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}` };
  };

  const studiesLog = new LogLines();
  const { url: studiesUrl } = await start(
    StudiesModule.with({
      appUuid: studies.appUuid,
      privateKey: studies.privateKey,
      mauthUrl,
      apps: { reporting: reporting.appUuid },
      logger: studiesLog,
      logAttempts: false,
    }),
  );
  const clientOf = ({ appUuid, privateKey }: RegisteredApp) =>
    start(ClientModule.with({ appUuid, privateKey, mauthUrl, signVersions: 'v1,v2' }, studiesUrl));
  const { app: clientService, url: clientUrl } = await clientOf(client);
  const { app: reportingService } = await clientOf(reporting);

  return {
    mauthUrl,
    studiesUrl,
    clientUrl,
    client: clientService,
    reporting: reportingService,
    clientApp: client,
    studiesLog,
    close: async () => {
      for (const app of running.reverse()) await app.close();
      await mauthService.stop();
    },
  };
}
