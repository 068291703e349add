/** A Nest application of one variant, as a process of its own. Says `{ port }` when it listens. */
import 'reflect-metadata';
import { Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { answerQuestions } from './answer-questions.mjs';
import { protection } from './guards.mjs';
import { controllerOf } from './routes.mjs';

const options = JSON.parse(process.argv[2]);
const LARGEST = 2_000_000;
/** What `application/x-drained` parses to: how many bytes there were. */
const DRAINED = 'application/x-drained';

class Application {}
Module({ controllers: [await controllerOf(options)], ...(await protection(options)) })(Application);

const isExpress = options.platform === 'Express';
const app = await NestFactory.create(
  Application,
  await adapter(),
  // Only the signature over a digest of the body needs the body twice.
  {
    abortOnError: false,
    logger: options.variant === 'v2-log' ? ['log'] : false,
    rawBody: options.variant === 'rfc9421',
  },
);
if (isExpress) {
  app.useBodyParser('json', { limit: LARGEST });
  app.use((request, _response, next) => {
    if (request.headers['content-type'] !== DRAINED) return next();
    request.body = { received: 0 };
    request.on('data', ({ length }) => (request.body.received += length)).on('end', next);
  });
} else {
  await app.register((await import('@fastify/multipart')).default, { limits: { fileSize: LARGEST } });
  const instance = app.getHttpAdapter().getInstance();
  instance.addContentTypeParser(DRAINED, (_request, payload, done) => {
    const body = { received: 0 };
    payload.on('data', ({ length }) => (body.received += length)).on('end', () => done(null, body));
  });
  instance.addContentTypeParser('application/octet-stream', (_request, payload, done) => done(null, payload));
}

async function adapter() {
  if (isExpress) return new (await import('@nestjs/platform-express')).ExpressAdapter();
  return new (await import('@nestjs/platform-fastify')).FastifyAdapter({ bodyLimit: LARGEST });
}

await app.listen(0, '127.0.0.1');
answerQuestions();
process.send({ port: app.getHttpServer().address().port });
