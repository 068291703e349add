import { Readable } from 'node:stream';
import {
  Body,
  Controller,
  Get,
  Post,
  Query,
  UploadedFile,
  UseInterceptors,
  type INestApplication,
} from '@nestjs/common';
import { FastifyAdapter, type NestFastifyApplication } from '@nestjs/platform-fastify';
import { FileInterceptor } from '@nestjs/platform-express';
import { Test } from '@nestjs/testing';
import request from 'supertest';
import { AppUuid, MAuthModule, Public, RequiresMAuth } from '../../lib/index.js';
import {
  MAuthTestingModule,
  overrideMAuth,
  signed,
  signInject,
  signTestRequest,
} from '../../lib/testing/index.js';

const rave = MAuthTestingModule.caller();
const other = MAuthTestingModule.caller();

@Controller('studies')
class StudiesController {
  @Get()
  list(@AppUuid() caller: string, @Query() query: object) {
    return { caller, query };
  }

  @Post()
  create(@AppUuid() caller: string, @Body() body: unknown) {
    return { caller, body };
  }

  @Post('upload')
  @UseInterceptors(FileInterceptor('file'))
  upload(@AppUuid() caller: string, @UploadedFile() file: { size: number }) {
    return { caller, size: file.size };
  }

  @RequiresMAuth({ apps: [rave.appUuid] })
  @Get('restricted')
  restricted() {
    return 'restricted';
  }

  @Public()
  @Get('open')
  open() {
    return 'open';
  }
}

describe('signTestRequest', () => {
  let app: INestApplication;

  beforeAll(async () => {
    const module = await Test.createTestingModule({
      imports: [MAuthTestingModule.forRoot({ protect: 'routes' })],
      controllers: [StudiesController],
    }).compile();
    app = module.createNestApplication({ logger: false });
    await app.init();
  });
  afterAll(() => app.close());

  const server = () => app.getHttpServer() as never;

  it('signs what is sent, whatever follows: query, JSON, forms, files', async () => {
    const got = await signTestRequest(request(server()).get('/studies'), { as: rave }).query({
      b: '2',
      a: 'ä ö',
    });
    expect(got.body).toEqual({ caller: rave.appUuid, query: { b: '2', a: 'ä ö' } });
    const json = await signTestRequest(request(server()).post('/studies'), { as: rave }).send({
      name: 'Mediflex',
    });
    expect(json.body).toEqual({ caller: rave.appUuid, body: { name: 'Mediflex' } });
    const form = await signTestRequest(request(server()).post('/studies'), { as: rave })
      .type('form')
      .send('a=1&b=2');
    expect(form.body).toMatchObject({ body: { a: '1', b: '2' } });
    const file = await signTestRequest(request(server()).post('/studies/upload'), { as: rave })
      .field('name', 'x')
      .attach('file', Buffer.alloc(300_000, 'x'), 'x.bin');
    expect(file.body).toEqual({ caller: rave.appUuid, size: 300_000 });
  });

  it('signs as a caller of its own where none is named', async () => {
    await signTestRequest(request(server()).get('/studies')).expect(200);
    await request(server()).get('/studies').expect(401);
  });

  it('takes the time and the versions to sign with', async () => {
    const time = Math.floor(Date.now() / 1000) - 400;
    await signTestRequest(request(server()).get('/studies'), { as: rave, time }).expect(401);
    const test = signTestRequest(request(server()).get('/studies'), { as: rave, signVersions: 'v1' });
    await test.expect(200);
    expect(Object.keys((test as unknown as { req: { getHeaders(): object } }).req.getHeaders())).toEqual(
      expect.arrayContaining(['x-mws-authentication']),
    );
  });

  it('is told apart by the guard: another app is forbidden', async () => {
    await signTestRequest(request(server()).get('/studies/restricted'), { as: rave }).expect(200);
    await signTestRequest(request(server()).get('/studies/restricted'), { as: other }).expect(403);
  });

  it('signs everything that an agent sends', async () => {
    const agent = request.agent(server()).use(signed(rave));
    await agent.get('/studies/restricted').expect(200);
    await agent.post('/studies').send({ a: 1 }).expect(201);
  });

  it('refuses what is no request of supertest', () => {
    expect(() => signTestRequest(fetch)).toThrow(/supertest/);
  });

  it('fails the test where the request cannot be signed', async () => {
    await expect(
      signTestRequest(request(server()).get('/studies'), { as: rave, time: Number.NaN }),
    ).rejects.toThrow(/time/);
  });
});

describe('signInject', () => {
  let app: NestFastifyApplication;

  beforeAll(async () => {
    const module = await Test.createTestingModule({
      imports: [MAuthTestingModule.forRoot({ protect: 'everything' })],
      controllers: [StudiesController],
    }).compile();
    app = module.createNestApplication<NestFastifyApplication>(new FastifyAdapter(), { logger: false });
    await app.init();
    await app.getHttpAdapter().getInstance().ready();
  });
  afterAll(() => app.close());

  it.each<[string, unknown, unknown]>([
    ['an object', { name: 'Mediflex' }, { name: 'Mediflex' }],
    ['a list', [1, 2], [1, 2]],
    ['text', 'a=1', { a: '1' }],
    ['bytes', Buffer.from('a=%C3%A4'), { a: 'ä' }],
    ['URLSearchParams', new URLSearchParams({ a: 'ä' }), { a: 'ä' }],
  ])('signs %s', async (_, payload, body) => {
    const headers = typeof payload === 'string' || Buffer.isBuffer(payload) ? { 'Content-Type': FORM } : {};
    const options = await signInject({ method: 'POST', url: '/studies', payload, headers }, { as: rave });
    const response = await app.inject(options as never);
    expect(response.json()).toEqual({ caller: rave.appUuid, body });
  });

  it.each([
    [
      { url: '/studies?a=1&b=2', query: { b: '3', c: ['4', '5'] } },
      { a: '1', b: '3', c: ['4', '5'] },
    ],
    [{ url: '/studies', query: 'a=1&a=2' }, { a: ['1', '2'] }],
    [{ path: '/studies?x=%20' }, { x: ' ' }],
    [{ url: { pathname: '/studies', query: { a: '1' } } }, { a: '1' }],
  ])('puts target and query together as inject does: %j', async (options, query) => {
    const response = await app.inject(
      (await signInject({ method: 'get', ...options }, { as: rave })) as never,
    );
    expect(response.json()).toEqual({ caller: rave.appUuid, query });
  });

  it('keeps what it knows nothing of, and adds no body', async () => {
    const signedOptions = await signInject({
      url: '/studies',
      headers: { 'x-a': ['1', '2'] },
      remoteAddress: '::1',
    });
    expect(signedOptions).toMatchObject({ remoteAddress: '::1', headers: { 'x-a': ['1', '2'] } });
    expect(signedOptions).not.toHaveProperty('payload');
  });

  it.each([
    ['a stream', (): unknown => Readable.from(['x'])],
    ['a form with files', () => new FormData()],
    ['a Blob', () => new Blob(['x'])],
    ['a number', () => 5],
    ['a Map', () => new Map([['a', 1]])],
  ])('refuses %s', async (_, payload) => {
    await expect(signInject({ method: 'POST', url: '/studies', payload: payload() })).rejects.toMatchObject({
      name: 'MAuthUnableToSignError',
      code: 'body_not_signable',
    });
  });
});

const FORM = 'application/x-www-form-urlencoded';

describe('overrideMAuth', () => {
  const broken = {
    appUuid: rave.appUuid,
    privateKeyFile: '/no-such-file.pem',
    mauthUrl: 'http://127.0.0.1:1',
  };

  it.each(['decorated', 'routes', 'everything'] as const)(
    'replaces keys and service of an application with protect: %s',
    async (protect) => {
      const module = await overrideMAuth(
        Test.createTestingModule({
          imports: [MAuthModule.forRoot({ ...broken, protect, apps: { rave: rave.appUuid } })],
          controllers: [StudiesController],
        }),
      ).compile();
      const app = module.createNestApplication({ logger: false });
      await app.init();
      const server = app.getHttpServer() as never;
      await signTestRequest(request(server).get('/studies/restricted'), { as: rave }).expect(200);
      await signTestRequest(request(server).get('/studies/restricted'), { as: other }).expect(403);
      await request(server).get('/studies/restricted').expect(401);
      await app.close();
    },
  );

  it('replaces a module that is kept in a constant', async () => {
    const mauth = MAuthModule.forRoot({ ...broken, protect: 'routes' });
    const module = await Test.createTestingModule({ imports: [mauth], controllers: [StudiesController] })
      .overrideModule(mauth as never)
      .useModule(MAuthTestingModule.forRoot({ protect: 'routes' }) as never)
      .compile();
    const app = module.createNestApplication({ logger: false });
    await app.init();
    await signTestRequest(request(app.getHttpServer() as never).get('/studies'), { as: rave }).expect(200);
    await request(app.getHttpServer() as never)
      .get('/studies')
      .expect(401);
    await app.close();
  });

  it('serves forRootAsync as well', async () => {
    const module = await overrideMAuth(
      Test.createTestingModule({
        imports: [MAuthModule.forRootAsync({ protect: 'routes', useFactory: () => broken })],
        controllers: [StudiesController],
      }),
    ).compile();
    const app = module.createNestApplication({ logger: false });
    await app.init();
    await signTestRequest(request(app.getHttpServer() as never).get('/studies'), { as: rave }).expect(200);
    await app.close();
  });
});
