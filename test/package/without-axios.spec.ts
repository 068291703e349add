import { Consumer, developedWith, tarball } from './consumer.js';

const APPLICATION = `
import 'reflect-metadata';
import { generateKeyPairSync } from 'node:crypto';
import { Controller, Get, Inject, Module } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import { MAuthAxiosInterceptor, MAuthHttpService, MAuthModule, MAuthSigner, RequiresMAuth, signedFetch } from 'nestjs-mauth';

const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const appUuid = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const options = { appUuid, privateKey, findPublicKey: () => publicKey, logAttempts: false };

const method = (target, name) => Object.getOwnPropertyDescriptor(target.prototype, name);
class StudiesController {
  studies() {
    return ['Mediflex'];
  }
}
Controller()(StudiesController);
Get('studies')(StudiesController.prototype, 'studies', method(StudiesController, 'studies'));
RequiresMAuth()(StudiesController);

class ByConstructor {}
Inject(MAuthHttpService)(ByConstructor, undefined, 0);
class ByProperty {}
Inject(MAuthHttpService)(ByProperty.prototype, 'http');
const byFactory = { provide: 'client', inject: [MAuthHttpService], useFactory: (http) => http };

async function start(mauth, ...providers) {
  class AppModule {}
  Module({ imports: [MAuthModule.forRoot({ ...options, ...mauth })], controllers: [StudiesController], providers })(AppModule);
  const app = await NestFactory.create(AppModule, { logger: false, abortOnError: false });
  await app.listen(0, '127.0.0.1');
  return app;
}
const failure = (promise) => promise.then(() => 'started', ({ name, message }) => name + ': ' + message);

const app = await start({});
const origin = 'http://127.0.0.1:' + app.getHttpServer().address().port;
const signed = signedFetch(fetch, new MAuthSigner(options));
const statuses = [(await fetch(origin + '/studies')).status, (await signed(origin + '/studies')).status];
let asked;
try {
  asked = app.get(MAuthHttpService).get('/studies');
} catch ({ message }) {
  asked = message;
}
await app.close();
console.log(JSON.stringify({
  statuses,
  asked,
  withOptions: await failure(start({ http: { timeout: 1000 } })),
  byConstructor: await failure(start({}, ByConstructor)),
  byProperty: await failure(start({}, ByProperty)),
  byFactory: await failure(start({}, byFactory)),
}));
`;

describe.each(['12', '11'])('a Nest %s application without @nestjs/axios', (version) => {
  const consumer = new Consumer();
  beforeAll(() => {
    const nest = ['common', 'core', 'platform-express'].map((name) =>
      version === '12' ? developedWith(`@nestjs/${name}`) : `@nestjs/${name}@${version}`,
    );
    consumer.install(tarball, ...nest, 'rxjs', 'reflect-metadata');
  });
  afterAll(() => consumer.remove());

  it('receives, and refuses to start where it means to send, with the remedy', () => {
    consumer.write('app.mjs', APPLICATION);
    const remedy =
      'MAuthHttpService needs the packages @nestjs/axios and axios: npm install @nestjs/axios axios (with Nest 11: @nestjs/axios@4).';
    expect(JSON.parse(consumer.node('app.mjs'))).toEqual({
      statuses: [401, 200],
      asked: remedy,
      withOptions: `MAuthConfigurationError: ${remedy}`,
      byConstructor: `MAuthConfigurationError: ByConstructor injects MAuthHttpService. ${remedy}`,
      byProperty: `MAuthConfigurationError: ByProperty injects MAuthHttpService. ${remedy}`,
      byFactory: `MAuthConfigurationError: client injects MAuthHttpService. ${remedy}`,
    });
  });
});
