import 'reflect-metadata';
import { generateKeyPairSync } from 'node:crypto';
import { once as event } from 'node:events';
import { createServer, request as send } from 'node:http';
import { Controller, HttpCode, Module, Post } from '@nestjs/common';
import { NestFactory } from '@nestjs/core';
import axios from 'axios';

const CALLER = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const SERVICE = '2a6790ab-f6c6-45be-86fc-9e9be76ec12a';
const pems = generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
});
const BODY = JSON.stringify({ text: 'x'.repeat(1000) });
const silent = { log() {}, warn() {}, error() {} };

/**
 * Each prepares what it needs. `fresh` makes what one run needs and is not recorded; `once` is what is recorded, after
 * it ran once unrecorded; with `from`, only what that function calls.
 */
export const WALKS = {
  post: { title: 'POST of 1 kB on Express, V2, key in the cache', prepare: post },
  axios: { title: 'Signed POST with axios, V2', prepare: signedPost },
  'look-up': {
    title: 'Look-up of a key that is not in the cache',
    prepare: lookUp,
    from: 'MAuthKeyCache.find',
  },
};

async function post({ MAuthModule, MAuthSigner }) {
  const mauth = MAuthModule.forRoot({
    appUuid: SERVICE,
    findPublicKey: () => pems.publicKey,
    protect: 'routes',
    logger: silent,
  });
  class Studies {
    add() {
      return {};
    }
  }
  const method = Object.getOwnPropertyDescriptor(Studies.prototype, 'add');
  Post()(Studies.prototype, 'add', method);
  HttpCode(200)(Studies.prototype, 'add', method);
  Controller('studies')(Studies);
  class App {}
  Module({ imports: [mauth], controllers: [Studies] })(App);
  const app = await NestFactory.create(App, { logger: false, abortOnError: false });
  await app.listen(0, '127.0.0.1');
  const signer = new MAuthSigner({ appUuid: CALLER, privateKey: pems.privateKey, signVersions: 'v2' });
  const headers = await signer.signRequest({ method: 'POST', url: '/studies', body: BODY });
  const { port } = app.getHttpServer().address();
  return {
    once: () => call({ port, path: '/studies', method: 'POST', headers }),
    close: () => app.close(),
  };
}

/** @throws unless the answer is 200 */
async function call({ port, path, method, headers }) {
  const request = send({
    port,
    path,
    method,
    headers: { ...headers, 'content-type': 'application/json', 'content-length': BODY.length },
  });
  request.end(BODY);
  const [response] = await event(request, 'response');
  response.resume();
  await event(response, 'end');
  if (response.statusCode !== 200) throw new Error(`${method} ${path} was answered ${response.statusCode}`);
}

async function signedPost({ MAuthAxiosInterceptor, MAuthSigner }) {
  const server = await listening((request, response) => {
    request.resume().on('end', () => response.end('{}'));
  });
  const instance = axios.create({ baseURL: server.url });
  const signer = new MAuthSigner({ appUuid: CALLER, privateKey: pems.privateKey, signVersions: 'v2' });
  await signer.signRequest({ method: 'GET', url: '/' });
  MAuthAxiosInterceptor.attach(instance, signer);
  return { once: () => instance.post('/studies?page=1', BODY), close: server.close };
}

async function lookUp({ MAuthAuthenticator, MAuthSigner }) {
  const token = { app_uuid: CALLER, app_name: 'caller', public_key_str: pems.publicKey };
  const server = await listening((request, response) => {
    response.setHeader('Cache-Control', 'max-age=600, private');
    response.end(JSON.stringify({ security_token: token }));
  });
  const options = {
    appUuid: SERVICE,
    privateKey: pems.privateKey,
    mauthUrl: server.url,
    signVersions: 'v2',
    logger: silent,
  };
  const signer = new MAuthSigner({ appUuid: CALLER, privateKey: pems.privateKey, signVersions: 'v2' });
  const request = { method: 'GET', url: '/studies', body: null };
  return {
    // Each time another authenticator, whose cache is empty.
    async fresh() {
      return { authenticator: new MAuthAuthenticator(options), headers: await signer.signRequest(request) };
    },
    async once({ authenticator, headers }) {
      const result = await authenticator.authenticateRequest({ ...request, headers });
      if (!result.authentic) throw new Error(`The request was refused: ${result.code}`);
    },
    close: server.close,
  };
}

async function listening(listener) {
  const server = createServer(listener).listen(0, '127.0.0.1');
  await event(server, 'listening');
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    close: () => new Promise((done) => server.close(done).closeAllConnections()),
  };
}
