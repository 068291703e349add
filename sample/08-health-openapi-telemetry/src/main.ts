import 'reflect-metadata';
import { stopTracing } from './tracing.js';
import { NestFactory } from '@nestjs/core';
import { DocumentBuilder, SwaggerModule } from '@nestjs/swagger';
import { createMAuthDocument } from 'nestjs-mauth/swagger';
import { AppModule } from './app.module.js';

async function bootstrap(): Promise<void> {
  const app = await NestFactory.create(AppModule);
  const config = new DocumentBuilder().setTitle('Studies').setVersion('1.0').build();
  SwaggerModule.setup('docs', app, createMAuthDocument(app, config));
  app.enableShutdownHooks();
  app.getHttpServer().once('close', () => void stopTracing());
  await app.listen(process.env.PORT ?? 3000, '127.0.0.1');
  console.log(`listening on ${await app.getUrl()}`);
}

void bootstrap();
