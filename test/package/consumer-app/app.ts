import 'reflect-metadata';
import { generateKeyPairSync } from 'node:crypto';
import { type AddressInfo } from 'node:net';
import { Controller, Get, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import {
  AppUuid,
  MAuthCaller,
  MAuthHttpService,
  MAuthModule,
  Public,
  RequiresMAuth,
  type MAuthIdentity,
  type MAuthModuleOptions,
} from 'nestjs-mauth';
import { MAuthSigner, type MAuthResult } from 'nestjs-mauth/core';
import { stringToSign, verifySignature } from 'nestjs-mauth/protocol';

const appUuid = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const options: MAuthModuleOptions = {
  appUuid,
  privateKey,
  findPublicKey: () => publicKey,
  logAttempts: false,
};

@RequiresMAuth()
@Controller()
class StudiesController {
  @Get('studies')
  studies(@AppUuid() caller: string, @MAuthCaller() { protocolVersion }: MAuthIdentity) {
    return { caller, protocolVersion };
  }

  @Public()
  @Get('app_status')
  status() {
    return 'up';
  }
}

@Module({ imports: [MAuthModule.forRoot(options)], controllers: [StudiesController] })
class AppModule {}

async function main(): Promise<void> {
  const app = await NestFactory.create(AppModule, { logger: ['error'] });
  await app.listen(0, '127.0.0.1');
  const origin = `http://127.0.0.1:${(app.getHttpServer().address() as AddressInfo).port}`;
  const unsigned = await fetch(`${origin}/studies`);
  const open = await fetch(`${origin}/app_status`);
  const signed = await app.get(MAuthHttpService).axiosRef.get<object>(`${origin}/studies`);
  await app.close();

  const headers = await new MAuthSigner(options).signRequest({ method: 'GET', url: '/' });
  const outcome: MAuthResult['authentic'] = verifySignature(
    1,
    publicKey,
    stringToSign(1, { method: 'GET', url: '/', appUuid, time: Number(headers['X-MWS-Time']) }),
    Buffer.from(headers['X-MWS-Authentication'].split(':')[1], 'base64'),
  );
  console.log(
    JSON.stringify({ unsigned: unsigned.status, open: open.status, signed: signed.data, verified: outcome }),
  );
}

void main();
