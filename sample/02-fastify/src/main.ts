import 'reflect-metadata';
import fastifyHelmet from '@fastify/helmet';
import { NestFactory } from '@nestjs/core';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { AppModule } from './app.module.js';

async function bootstrap(): Promise<void> {
  const adapter = new FastifyAdapter();
  // In front of the gate, so that refusals have these headers, too.
  await adapter.getInstance().register(fastifyHelmet);
  const app = await NestFactory.create<NestFastifyApplication>(AppModule, adapter);
  // A content type of one's own: the signature covers its bytes like all others.
  app.useBodyParser('application/xml', {}, (_request, body, done) => done(null, body.toString()));
  app.enableShutdownHooks();
  await app.listen(process.env.PORT ?? 3000, '127.0.0.1');
  console.log(`listening on ${await app.getUrl()}`);
}

void bootstrap();
