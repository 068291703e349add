import { LinkedPackage } from '../support/linked-package.js';

/** Applications that start, and answer one unsigned request, by what they are made of. */
const OUTCOMES = `
  const { Controller, Get, Module } = nest('@nestjs/common');
  const { NestFactory } = nest('@nestjs/core');
  const { ExpressAdapter } = nest('@nestjs/platform-express');
  const { FastifyAdapter } = nest('@nestjs/platform-fastify');

  class StudiesController { list() { return 'listed'; } }
  const method = Object.getOwnPropertyDescriptor(StudiesController.prototype, 'list');
  mauth.RequiresMAuth()(StudiesController.prototype, 'list', method);
  Get('studies')(StudiesController.prototype, 'list', method);
  Controller()(StudiesController);
  class StudiesModule {}
  Module({ controllers: [StudiesController] })(StudiesModule);

  const options = { appUuid: '5ff4257e-9c16-11e0-b048-0026bbfffe5e', findPublicKey: () => undefined };
  const ways = {
    forRoot: (extras) => mauth.MAuthModule.forRoot({ ...options, ...extras }),
    forRootAsync: (extras) => mauth.MAuthModule.forRootAsync({ ...extras, useFactory: async () => options }),
  };

  const outcomes = {};
  for (const [way, register] of Object.entries(ways)) {
    for (const protect of ['decorated', 'routes', 'everything']) {
      for (const Adapter of [ExpressAdapter, FastifyAdapter]) {
        class AppModule { configure(consumer) { consumer.apply(mauth.MAuthMiddleware).forRoutes('{*path}'); } }
        Module({ imports: [StudiesModule, register({ protect })] })(AppModule);
        const outcome = await outcomeOf(AppModule, new Adapter());
        outcomes[[way, protect, Adapter.name].join(' ')] = outcome;
      }
    }
  }
  return outcomes;

  async function outcomeOf(module, adapter) {
    try {
      const app = await NestFactory.create(module, adapter, { logger: false, abortOnError: false });
      await app.listen(0, '127.0.0.1');
      const { status } = await fetch('http://127.0.0.1:' + app.getHttpServer().address().port + '/studies');
      await app.close();
      return { status };
    } catch ({ name, message }) {
      return { name, message };
    }
  }`;

const COMBINATIONS = 12;

describe.each([
  [['core'], '@nestjs/core'],
  [['common'], '@nestjs/common'],
  [['core', 'common'], '@nestjs/core'],
])('A package that is linked with copies of its own of %j', (copied, named) => {
  const linked = new LinkedPackage({ copied });
  afterAll(() => linked.remove());

  it('stops the start and says what is there twice, however it is set up', () => {
    const outcomes = linked.run(OUTCOMES);
    const stopped = {
      name: 'MAuthConfigurationError',
      message: expect.stringMatching(
        new RegExp(`two copies of ${named}:.*npm ls @nestjs/core @nestjs/common.*npm dedupe`),
      ),
    };
    expect(Object.values(outcomes)).toHaveLength(COMBINATIONS);
    for (const [way, outcome] of Object.entries(outcomes)) expect([way, outcome]).toEqual([way, stopped]);
  });
});

describe('A package that is linked with the packages of the application', () => {
  const linked = new LinkedPackage();
  afterAll(() => linked.remove());

  it('serves, however it is set up', () => {
    const outcomes = linked.run(OUTCOMES);
    expect(Object.values(outcomes)).toEqual(Array(COMBINATIONS).fill({ status: 401 }));
  });
});
