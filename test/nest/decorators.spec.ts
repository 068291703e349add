import 'reflect-metadata';
import { Controller, Get, type Type } from '@nestjs/common';
import {
  AppUuid,
  MAuthCaller,
  MAuthModule,
  OptionalMAuth,
  Public,
  RequiresMAuth,
  type MAuthProtection,
} from '../../lib/index.js';
import { Caller, send } from '../support/caller.js';
import { PLATFORMS, RecordingLogger, startApp, type RunningApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const own = createTestApp();
const rave = createTestApp();
const other = createTestApp();
const known = new Map([own, rave, other].map((app) => [app.appUuid, app.publicKeyPem]));

/** Answers to: unsigned, badly signed, signed by rave, signed by another app. */
type Statuses = readonly [number, number, number, number];
const OPEN: Statuses = [200, 200, 200, 200];
const OPTIONAL: Statuses = [200, 401, 200, 200];
const CLOSED: Statuses = [401, 401, 200, 200];
const RAVE_ONLY: Statuses = [401, 401, 200, 403];
const OPTIONAL_RAVE_ONLY: Statuses = [200, 401, 200, 403];

/** What the decorators at a handler come to, under each form of `protect`. */
const OUTCOMES = {
  undecorated: { decorated: OPEN, routes: CLOSED, everything: CLOSED },
  public: { decorated: OPEN, routes: OPEN, everything: OPEN },
  optional: { decorated: OPTIONAL, routes: OPTIONAL, everything: OPTIONAL },
  optionalRaveOnly: {
    decorated: OPTIONAL_RAVE_ONLY,
    routes: OPTIONAL_RAVE_ONLY,
    everything: OPTIONAL_RAVE_ONLY,
  },
  closed: { decorated: CLOSED, routes: CLOSED, everything: CLOSED },
  raveOnly: { decorated: RAVE_ONLY, routes: RAVE_ONLY, everything: RAVE_ONLY },
} satisfies Record<string, Record<MAuthProtection, Statuses>>;

const RaveOnly = () => RequiresMAuth({ apps: ['rave'] });

/** Decorators on a class and on its route; without `route` the class inherits that of its parent. */
interface Written {
  readonly on?: readonly ClassDecorator[];
  readonly route?: readonly MethodDecorator[];
  readonly parent?: Type;
}

class Root {}

function a({ on = [], route, parent = Root }: Written): Type {
  class Made extends (parent as Type<object>) {}
  if (route) {
    Object.assign(Made.prototype, { list: () => 'handled' });
    const method = Object.getOwnPropertyDescriptor(Made.prototype, 'list');
    // What the compiler makes of decorators above a method, the lowest first.
    Object.defineProperty(
      Made.prototype,
      'list',
      Reflect.decorate([...route], Made.prototype, 'list', method),
    );
  }
  return Reflect.decorate([...on], Made) as Type;
}

const route = Get();
/** A class whose route carries nothing else. */
const plain = { route: [route] };

/** Puts another function in the method's place, as decorators for tracing do, and loses what was written on it. */
const replaced: MethodDecorator = (_target, _key, descriptor) => {
  descriptor.value = (() => 'handled') as never;
};

/** A mixin: whatever it is applied to is for rave. */
const forRave = (parent: Type) => a({ on: [RaveOnly()], parent });

type Cell = readonly [written: string, outcome: keyof typeof OUTCOMES, controller: Type];
const CELLS: readonly Cell[] = [
  ['nothing', 'undecorated', a(plain)],

  ['@RequiresMAuth on the class', 'closed', a({ on: [RequiresMAuth()], ...plain })],
  ['@RequiresMAuth for apps on the class', 'raveOnly', a({ on: [RaveOnly()], ...plain })],
  ['@Public on the class', 'public', a({ on: [Public()], ...plain })],
  ['@OptionalMAuth on the class', 'optional', a({ on: [OptionalMAuth()], ...plain })],

  ['@RequiresMAuth on the method', 'closed', a({ route: [RequiresMAuth(), route] })],
  ['@RequiresMAuth for apps on the method', 'raveOnly', a({ route: [RaveOnly(), route] })],
  ['@Public on the method', 'public', a({ route: [Public(), route] })],
  ['@OptionalMAuth on the method', 'optional', a({ route: [OptionalMAuth(), route] })],
  [
    '@RequiresMAuth below a decorator that replaces the method',
    'closed',
    a({ route: [route, replaced, RequiresMAuth()] }),
  ],

  [
    '@RequiresMAuth on class and, for apps, on method',
    'raveOnly',
    a({ on: [RequiresMAuth()], route: [RaveOnly(), route] }),
  ],
  [
    '@RequiresMAuth for apps on class, without on method',
    'raveOnly',
    a({ on: [RaveOnly()], route: [RequiresMAuth(), route] }),
  ],
  [
    '@RequiresMAuth on class, @Public on method',
    'public',
    a({ on: [RequiresMAuth()], route: [Public(), route] }),
  ],
  [
    '@RequiresMAuth on class, @OptionalMAuth on method',
    'optional',
    a({ on: [RequiresMAuth()], route: [OptionalMAuth(), route] }),
  ],
  [
    '@RequiresMAuth for apps on class, @OptionalMAuth on method',
    'optionalRaveOnly',
    a({ on: [RaveOnly()], route: [OptionalMAuth(), route] }),
  ],
  [
    '@Public on class, @RequiresMAuth on method',
    'closed',
    a({ on: [Public()], route: [RequiresMAuth(), route] }),
  ],
  [
    '@Public on class, @OptionalMAuth on method',
    'optional',
    a({ on: [Public()], route: [OptionalMAuth(), route] }),
  ],
  [
    '@OptionalMAuth on class, @RequiresMAuth on method',
    'closed',
    a({ on: [OptionalMAuth()], route: [RequiresMAuth(), route] }),
  ],
  [
    '@OptionalMAuth on class, @Public on method',
    'public',
    a({ on: [OptionalMAuth()], route: [Public(), route] }),
  ],

  ['@RequiresMAuth on the parent', 'closed', a({ parent: a({ on: [RequiresMAuth()], ...plain }) })],
  [
    '@RequiresMAuth on the grandparent',
    'closed',
    a({ parent: a({ parent: a({ on: [RequiresMAuth()], ...plain }) }) }),
  ],
  ['@RequiresMAuth for apps on the parent', 'raveOnly', a({ parent: a({ on: [RaveOnly()], ...plain }) })],
  [
    '@RequiresMAuth on the parent, new route in the child',
    'closed',
    a({ ...plain, parent: a({ on: [RequiresMAuth()] }) }),
  ],
  ['@RequiresMAuth by a mixin', 'raveOnly', forRave(a(plain))],
  ['@Public on the parent', 'undecorated', a({ parent: a({ on: [Public()], ...plain }) })],
  [
    '@Public on the parent, new route in the child',
    'undecorated',
    a({ ...plain, parent: a({ on: [Public()] }) }),
  ],
  // The guard that @OptionalMAuth brought is inherited; its leniency is not.
  ['@OptionalMAuth on the parent', 'closed', a({ parent: a({ on: [OptionalMAuth()], ...plain }) })],

  [
    '@RequiresMAuth on the parent, and for apps on the child',
    'raveOnly',
    a({ on: [RaveOnly()], parent: a({ on: [RequiresMAuth()], ...plain }) }),
  ],
  [
    '@RequiresMAuth for apps on the parent, without on the child',
    'raveOnly',
    a({ on: [RequiresMAuth()], parent: a({ on: [RaveOnly()], ...plain }) }),
  ],
  [
    '@RequiresMAuth on the parent, @Public on the child',
    'public',
    a({ on: [Public()], parent: a({ on: [RequiresMAuth()], ...plain }) }),
  ],
  [
    '@RequiresMAuth on the parent, @OptionalMAuth on the child',
    'optional',
    a({ on: [OptionalMAuth()], parent: a({ on: [RequiresMAuth()], ...plain }) }),
  ],
  [
    '@Public on the parent, @RequiresMAuth on the child',
    'closed',
    a({ on: [RequiresMAuth()], parent: a({ on: [Public()], ...plain }) }),
  ],
  [
    '@OptionalMAuth on the parent, @RequiresMAuth on the child',
    'closed',
    a({ on: [RequiresMAuth()], parent: a({ on: [OptionalMAuth()], ...plain }) }),
  ],

  ['@RequiresMAuth on an inherited method', 'closed', a({ parent: a({ route: [RequiresMAuth(), route] }) })],
  [
    '@RequiresMAuth for apps on an inherited method',
    'raveOnly',
    a({ parent: a({ route: [RaveOnly(), route] }) }),
  ],
  ['@Public on an inherited method', 'public', a({ parent: a({ route: [Public(), route] }) })],
  [
    '@OptionalMAuth on an inherited method',
    'optional',
    a({ parent: a({ route: [OptionalMAuth(), route] }) }),
  ],
  [
    '@Public on an inherited method of a closed parent',
    'public',
    a({ parent: a({ on: [RequiresMAuth()], route: [Public(), route] }) }),
  ],
  [
    '@Public on an inherited method, @RequiresMAuth on the child',
    'closed',
    a({ on: [RequiresMAuth()], parent: a({ route: [Public(), route] }) }),
  ],
  [
    '@OptionalMAuth on an inherited method, @RequiresMAuth on the child',
    'closed',
    a({ on: [RequiresMAuth()], parent: a({ route: [OptionalMAuth(), route] }) }),
  ],
  [
    '@RequiresMAuth on an inherited method, @Public on the child',
    'closed',
    a({ on: [Public()], parent: a({ route: [RequiresMAuth(), route] }) }),
  ],

  [
    '@RequiresMAuth on an overridden method',
    'closed',
    a({ ...plain, parent: a({ route: [RequiresMAuth(), route] }) }),
  ],
  [
    '@RequiresMAuth on a method overridden twice',
    'closed',
    a({ ...plain, parent: a({ ...plain, parent: a({ route: [RequiresMAuth(), route] }) }) }),
  ],
  [
    '@RequiresMAuth for apps on an overridden method',
    'raveOnly',
    a({ ...plain, parent: a({ route: [RaveOnly(), route] }) }),
  ],
  [
    '@RequiresMAuth for apps on an overridden method, without on the overriding',
    'raveOnly',
    a({ route: [RequiresMAuth(), route], parent: a({ route: [RaveOnly(), route] }) }),
  ],
  [
    '@RequiresMAuth on an overridden method, @Public on the overriding',
    'public',
    a({ route: [Public(), route], parent: a({ route: [RequiresMAuth(), route] }) }),
  ],
  [
    '@RequiresMAuth on an overridden method, @Public on the child',
    'closed',
    a({ on: [Public()], ...plain, parent: a({ route: [RequiresMAuth(), route] }) }),
  ],
  [
    '@RequiresMAuth on an overridden method, @OptionalMAuth on the child',
    'closed',
    a({ on: [OptionalMAuth()], ...plain, parent: a({ route: [RequiresMAuth(), route] }) }),
  ],
  [
    '@Public on an overridden method',
    'undecorated',
    a({ ...plain, parent: a({ route: [Public(), route] }) }),
  ],
  [
    '@Public on an overridden method of a closed parent',
    'closed',
    a({ ...plain, parent: a({ on: [RequiresMAuth()], route: [Public(), route] }) }),
  ],
  [
    '@OptionalMAuth on an overridden method',
    'undecorated',
    a({ ...plain, parent: a({ route: [OptionalMAuth(), route] }) }),
  ],
  [
    '@Public on an overridden method, @RequiresMAuth on the overriding',
    'closed',
    a({ route: [RequiresMAuth(), route], parent: a({ route: [Public(), route] }) }),
  ],
];

/** Each cell under a path of its own. */
const controllers = CELLS.map(([, , controller], index) => {
  Controller(`cell-${index}`)(controller);
  return controller;
});

describe.each(PLATFORMS)('Decorators on %s', (_name, createAdapter) => {
  describe.each(['decorated', 'routes', 'everything'] as const)("with protect: '%s'", (protect) => {
    let running: RunningApp;

    beforeAll(async () => {
      const mauth = MAuthModule.forRoot({
        appUuid: own.appUuid,
        findPublicKey: (appUuid) => known.get(appUuid),
        apps: { rave: rave.appUuid },
        logger: new RecordingLogger(),
        protect,
      });
      running = await startApp(createAdapter, { imports: [mauth], controllers });
    });

    afterAll(() => running.close());

    it.each(CELLS.map(([written, outcome], index) => ({ written, outcome, index })))(
      '$written: $outcome',
      async ({ outcome, index }) => {
        const url = `${running.url}/cell-${index}`;
        const answers = [
          await send(url),
          await new Caller(rave).badlySigned(url),
          await new Caller(rave).signed(url),
          await new Caller(other).signed(url),
        ];
        expect(answers.map(({ status }) => status)).toEqual(OUTCOMES[outcome][protect]);
        for (const { status, text } of answers) expect(text === 'handled').toBe(status === 200);
      },
    );
  });
});

it.each([
  ['AppUuid()', () => AppUuid()],
  ['MAuthCaller()', () => MAuthCaller()],
  ["MAuthCaller('appUuid')", () => MAuthCaller('appUuid')],
])('@%s is not optional because a faulty merge wrote so to Object.prototype', async (_name, make) => {
  class Studies {
    list(appUuid: unknown) {
      return `handled for ${String(appUuid)}`;
    }
  }
  const polluted = Object.prototype as Record<string, unknown>;
  try {
    polluted.optional = true;
    make()(Studies.prototype, 'list', 0);
  } finally {
    delete polluted.optional;
  }
  Reflect.decorate([Get()], Studies.prototype, 'list', {
    ...Object.getOwnPropertyDescriptor(Studies.prototype, 'list'),
  });
  Reflect.decorate([Controller('studies')], Studies);
  const [[, createAdapter]] = PLATFORMS as [[string, (typeof PLATFORMS)[number][1]]];
  const mauth = MAuthModule.forRoot({
    appUuid: own.appUuid,
    findPublicKey: (appUuid) => known.get(appUuid),
    logger: new RecordingLogger(),
  });
  const running = await startApp(createAdapter, { imports: [mauth], controllers: [Studies] });
  try {
    expect((await send(`${running.url}/studies`)).status).toBe(401);
  } finally {
    await running.close();
  }
});
