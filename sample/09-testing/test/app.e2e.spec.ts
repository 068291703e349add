import 'reflect-metadata';
import { type INestApplication } from '@nestjs/common';
import { Test } from '@nestjs/testing';
import { FakeMAuthService, MAuthTestingModule, overrideMAuth, signTestRequest } from 'nestjs-mauth/testing';
import request from 'supertest';
import { AppModule } from '../src/app.module.js';

describe('The application', () => {
  const rave = MAuthTestingModule.caller();
  let app: INestApplication;

  beforeAll(async () => {
    // What the application configures stays, but for keys and MAuth service: those are the test's.
    const builder = Test.createTestingModule({ imports: [AppModule] });
    app = (await overrideMAuth(builder).compile()).createNestApplication();
    await app.init();
  });
  afterAll(() => app.close());

  it('answers a signed request, and knows its caller', async () => {
    const signed = signTestRequest(request(app.getHttpServer()).get('/studies'), { as: rave });
    await signed.expect(200, { studies: ['Mediflex'], caller: rave.appUuid });
  });

  it('refuses an unsigned one', async () => {
    await request(app.getHttpServer()).get('/studies').expect(401);
  });

  it('refuses one whose body is not what was signed', async () => {
    const target = { method: 'POST', url: '/studies' };
    const headers = await rave.sign({ ...target, body: '{"name":"signed"}' });
    const sent = request(app.getHttpServer()).post(target.url).set(headers).type('json');
    await sent.send('{"name":"other"}').expect(401);
  });
});

describe('While the MAuth service is down', () => {
  it('unknown callers get 503, which is no verdict', async () => {
    const service = await FakeMAuthService.start();
    const imports = [MAuthTestingModule.forRoot({ mauthUrl: service.url, protect: 'everything' })];
    const testing = await Test.createTestingModule({ imports }).compile();
    const app = await testing.createNestApplication().init();
    await service.stop();
    const rave = MAuthTestingModule.caller();
    const signed = signTestRequest(request(app.getHttpServer()).get('/studies'), { as: rave });
    await signed.expect(503).expect('Retry-After', /^\d+$/);
    await app.close();
  });
});
