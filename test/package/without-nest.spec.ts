import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { Consumer, tarball } from './consumer.js';

const PROGRAM = `
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const appUuid = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const signer = new MAuthSigner({ appUuid, privateKey, signVersions: 'v1,v2' });
const authenticator = new MAuthAuthenticator({ appUuid, findPublicKey: () => publicKey, logAttempts: false });
const request = { method: 'GET', url: '/studies?page=1' };
signer.signRequest(request).then(async (headers) => {
  const { authentic } = await authenticator.authenticateRequest({ ...request, headers, body: null });
  const tampered = await authenticator.authenticateRequest({ ...request, url: '/studies?page=2', headers: { 'mcc-authentication': headers['MCC-Authentication'], 'mcc-time': headers['MCC-Time'] }, body: null });
  const text = stringToSign(2, { ...request, appUuid, time: 1 }).toString();
  console.log(JSON.stringify({ authentic, tampered: tampered.status, lines: text.split('\\n').length }));
});
`;

const SERVER = `
const { privateKey, publicKey } = generateKeyPairSync('rsa', { modulusLength: 2048 });
const appUuid = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const gate = mauthMiddleware({ appUuid, findPublicKey: () => publicKey, logAttempts: false, exempt: ['/up'] });
const server = createServer((request, response) => gate(request, response, () => response.end(JSON.stringify(getMAuthIdentity(request) ?? null))));
server.listen(0, '127.0.0.1', async () => {
  const url = 'http://127.0.0.1:' + server.address().port;
  const signer = new MAuthSigner({ appUuid, privateKey, signVersions: 'v2' });
  const signature = await signer.signRequest({ method: 'POST', url: '/a', body: 'text' });
  const call = async (path, init) => { const { status, text } = await fetch(url + path, init).then(async (answer) => ({ status: answer.status, text: await answer.text() })); return [status, text]; };
  const answers = [
    await call('/a', { method: 'POST', body: 'text', headers: signature }),
    await call('/a', { method: 'POST', body: 'TEXT', headers: signature }),
    await call('/up'),
  ];
  console.log(JSON.stringify({ answers, plugin: typeof mauthPlugin }));
  process.exit();
});
`;

const FUNCTION = `
process.env.APP_UUID = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
process.env.MAUTH_URL = 'https://mauth.example.com';
process.env.PRIVATE_KEY = process.getBuiltinModule('node:crypto').generateKeyPairSync('rsa', {
  modulusLength: 2048,
  publicKeyEncoding: { type: 'spki', format: 'pem' },
  privateKeyEncoding: { type: 'pkcs8', format: 'pem' },
}).privateKey;
const event = { version: '2.0', rawPath: '/', rawQueryString: '', headers: {}, requestContext: { http: { method: 'GET', path: '/' } } };
withMAuth(() => 'open')(event, {}).then(({ statusCode }) => console.log(statusCode));
`;

describe('without any Nest package', () => {
  const consumer = new Consumer();
  beforeAll(() => consumer.install(tarball));
  afterAll(() => consumer.remove());

  it('installs neither Nest nor axios, nor does the install after that', () => {
    const installed = (name: string) => existsSync(join(consumer.folder, 'node_modules', name));
    const peers = ['@nestjs', 'axios', 'rxjs', 'reflect-metadata', '@aws-sdk'];
    expect([installed('nestjs-mauth'), peers.filter(installed)]).toEqual([true, []]);
    consumer.install('ms');
    expect([installed('ms'), peers.filter(installed)]).toEqual([true, []]);
  });

  it('says in CommonJS what to install, and what to import instead', () => {
    consumer.write('main.cjs', "require('nestjs-mauth');");
    expect(() => consumer.node('main.cjs')).toThrow(
      /MAuthConfigurationError: nestjs-mauth needs @nestjs\/common, @nestjs\/core, reflect-metadata, rxjs, and cannot find them: npm install @nestjs\/common @nestjs\/core reflect-metadata rxjs\. Without Nest import 'nestjs-mauth\/core'/,
    );
  });

  // All that is imported is looked for before any of it runs, so that nothing of ours can add to this.
  it("has Node's own word for what is missing among ES modules", () => {
    consumer.write('main.mjs', "import 'nestjs-mauth';");
    expect(() => consumer.node('main.mjs')).toThrow(
      /Cannot find package '@nestjs\/common' imported from .*nestjs-mauth/,
    );
  });

  it.each([
    ['CommonJS', 'function.cjs', `const { withMAuth } = require('nestjs-mauth/lambda');`],
    ['ES modules', 'function.mjs', `import { withMAuth } from 'nestjs-mauth/lambda';`],
  ])('a Lambda function refuses what is not signed, as %s', (_format, file, imports) => {
    consumer.write(file, imports + FUNCTION);
    expect(consumer.node(file)).toMatch(/^401$/m);
  });

  it.each([
    [
      'CommonJS',
      'program.cjs',
      `const { generateKeyPairSync } = require('node:crypto');
       const { MAuthSigner, MAuthAuthenticator } = require('nestjs-mauth/core');
       const { stringToSign } = require('nestjs-mauth/protocol');`,
    ],
    [
      'ES modules',
      'program.mjs',
      `import { generateKeyPairSync } from 'node:crypto';
       import { MAuthSigner, MAuthAuthenticator } from 'nestjs-mauth/core';
       import { stringToSign } from 'nestjs-mauth/protocol';`,
    ],
  ])('core and protocol sign and verify as %s', (_format, file, imports) => {
    consumer.write(file, imports + PROGRAM);
    expect(JSON.parse(consumer.node(file))).toEqual({ authentic: true, tampered: 401, lines: 6 });
  });

  it.each([
    [
      'CommonJS',
      'server.cjs',
      `const { createServer } = require('node:http');
       const { generateKeyPairSync } = require('node:crypto');
       const { getMAuthIdentity, mauthMiddleware, mauthPlugin, MAuthSigner } = require('nestjs-mauth/core');`,
    ],
    [
      'ES modules',
      'server.mjs',
      `import { createServer } from 'node:http';
       import { generateKeyPairSync } from 'node:crypto';
       import { getMAuthIdentity, mauthMiddleware, mauthPlugin, MAuthSigner } from 'nestjs-mauth/core';`,
    ],
  ])('a server has its gate as %s', (_format, file, imports) => {
    consumer.write(file, imports + SERVER);
    expect(JSON.parse(consumer.node(file))).toEqual({
      answers: [
        [200, '{"appUuid":"5ff4257e-9c16-11e0-b048-0026bbfffe5e","protocolVersion":2}'],
        [401, '{"errors":{"mauth":["Unauthorized"]}}'],
        [200, 'null'],
      ],
      plugin: 'function',
    });
  });
});
