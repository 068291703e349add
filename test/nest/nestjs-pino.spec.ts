import { ConsoleLogger, Controller, Get, Logger, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { Logger as PinoLogger, LoggerModule } from 'nestjs-pino';
import { AppUuid, MAuthModule } from '../../lib/index.js';
import { Caller } from '../support/caller.js';
import { caller, createAdapter, PLATFORM_NAMES, service } from '../support/inbound-app.js';

/** As docs/recipes.md has it. */
const redact = ['mcc-authentication', 'x-mws-authentication'].map((name) => `req.headers["${name}"]`);

/** One for all applications, for nestjs-pino makes its logger once for each process. */
const written: string[] = [];
const destination = { write: (line: string) => void written.push(line) };

@Controller()
class Studies {
  @Get('studies')
  all(@AppUuid() appUuid: string): string {
    return appUuid;
  }
}

describe.each(PLATFORM_NAMES)('With nestjs-pino, on %s', (platform) => {
  beforeEach(() => written.splice(0));
  afterEach(() => Logger.overrideLogger(new ConsoleLogger()));

  it.each(['routes', 'everything'] as const)(
    'a refusal is a line with fields, and no line has a signature (%s)',
    async (protect) => {
      const mauth = MAuthModule.forRoot({
        appUuid: service.appUuid,
        privateKey: service.privateKey,
        findPublicKey: () => caller.publicKey,
        protect,
      });
      const pino = LoggerModule.forRoot({ pinoHttp: [{ redact, level: 'info' }, destination] });
      @Module({ imports: [pino, mauth], controllers: [Studies] })
      class Root {}
      const app = await NestFactory.create(Root, createAdapter(platform), { bufferLogs: true });
      app.useLogger(app.get(PinoLogger));
      await app.listen(0, '127.0.0.1');
      const one = new Caller(caller);
      expect((await one.signed(`${await app.getUrl()}/studies`)).status).toBe(200);
      expect((await one.badlySigned(`${await app.getUrl()}/studies`)).status).toBe(401);
      await app.close();

      expect(written.join('')).not.toMatch(/MWSV2 [0-9a-f-]+:|MWS [0-9a-f-]+:/i);
      const lines = written.map((line) => JSON.parse(line) as Record<string, any>);
      expect(lines.filter(({ outcome }) => outcome === 'inauthentic')).toEqual([
        expect.objectContaining({
          level: 40,
          context: 'MAuth',
          code: 'signature_mismatch',
          appUuid: caller.appUuid,
          method: 'GET',
          path: '/studies',
        }),
      ]);
      // The request log stands behind the gate, so it has what reaches the application. On Fastify with Nest 12,
      // nestjs-pino 5.2 has none, with or without MAuth.
      if (platform === 'Fastify') return;
      const answered = lines
        .filter(({ res }) => res !== undefined)
        .map(({ res }) => res.statusCode as number);
      expect(answered).toEqual(protect === 'routes' ? [200, 401] : [200]);
      for (const { req } of lines.filter((line) => line.req !== undefined))
        expect([undefined, '[Redacted]']).toContain(req.headers['mcc-authentication']);
    },
  );
});
