import { Controller, Get, Post } from '@nestjs/common';
import { accessPolicyOf } from '../../lib/nest/access-policy.js';
import { OptionalMAuth, Public, RequiresMAuth } from '../../lib/index.js';
import { MAuthConfigurationError } from '../../lib/config/errors.js';

const RAVE = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
const OTHER = '0e7b1c3a-2f58-4f8e-9c55-0d6b8f0a7a11';
const NAMES = { rave: RAVE.toUpperCase() };

function policyOf(controller: new () => { list(): unknown }) {
  return accessPolicyOf({ controller, handler: controller.prototype.list }, NAMES);
}

describe('The policy at a handler', () => {
  it('names apps by UUID and by name, in lower case', () => {
    class Studies {
      @RequiresMAuth({ apps: ['rave', OTHER.toUpperCase()] })
      list() {}
    }
    expect(policyOf(Studies)).toEqual({
      access: 'required',
      isDeclared: true,
      apps: new Set([RAVE, OTHER]),
      maxBodyBytes: undefined,
    });
  });

  it('takes each option from the nearest place that sets it', () => {
    @RequiresMAuth({ apps: [RAVE], maxBodyBytes: 1 })
    class Parent {
      @RequiresMAuth({ maxBodyBytes: 2 })
      list() {}
    }
    @RequiresMAuth({ apps: [OTHER], maxBodyBytes: 3 })
    class Child extends Parent {
      @RequiresMAuth({ apps: undefined })
      override list() {}
    }
    expect(policyOf(Child)).toMatchObject({ apps: new Set([OTHER]), maxBodyBytes: 2 });
    expect(policyOf(Parent)).toMatchObject({ apps: new Set([RAVE]), maxBodyBytes: 2 });
  });

  it('merges options that stand in several decorators on one method, the upper over the lower', () => {
    class Studies {
      @RequiresMAuth({ maxBodyBytes: 1 })
      @RequiresMAuth({ apps: ['rave'], maxBodyBytes: 2 })
      list() {}
    }
    expect(policyOf(Studies)).toMatchObject({ apps: new Set([RAVE]), maxBodyBytes: 1 });
  });

  it('keeps the size that applies to signed requests where authentication is optional', () => {
    @RequiresMAuth({ maxBodyBytes: 5 })
    class Studies {
      @OptionalMAuth()
      list() {}
    }
    expect(policyOf(Studies)).toMatchObject({ access: 'optional', maxBodyBytes: 5 });
  });

  it('is not changed when the array in the decorator changes later, once it is read by the guard', () => {
    const options = { apps: [RAVE], maxBodyBytes: 1 };
    class Studies {
      @RequiresMAuth(options)
      list() {}
    }
    options.maxBodyBytes = 2;
    expect(policyOf(Studies).maxBodyBytes).toBe(1);
  });

  it('finds a method that was wrapped after its class was made, by its name', () => {
    class Studies {
      @RequiresMAuth({ apps: ['rave'] })
      list() {}
    }
    const wrapper = { list: () => undefined }.list;
    expect(accessPolicyOf({ controller: Studies, handler: wrapper }, NAMES).apps).toEqual(new Set([RAVE]));
  });

  it('refuses to guess which method of a decorated class a strange function stands for', () => {
    @Public()
    class Studies {
      list() {}
    }
    const stranger = () => undefined;
    expect(() => accessPolicyOf({ controller: Studies, handler: stranger })).toThrow(
      /which method of Studies .* "stranger"/,
    );
  });

  it('asks for authentication of a strange function of an undecorated class', () => {
    class Studies {}
    expect(accessPolicyOf({ controller: Studies, handler: () => undefined })).toEqual({
      access: 'required',
      isDeclared: false,
    });
  });

  it('reads no getters of the controller', () => {
    class Studies {
      get explosive(): never {
        throw new Error('read');
      }
      @Public()
      list() {}
    }
    expect(policyOf(Studies).access).toBe('public');
  });
});

describe('A mistake in decorators names controller, handler and remedy', () => {
  const mistakes: [string, MethodDecorator[], RegExp][] = [
    [
      'public and required',
      [Public(), RequiresMAuth()],
      /carries @Public\(\) and @RequiresMAuth\(\); keep one/,
    ],
    [
      'public and optional',
      [Public(), OptionalMAuth()],
      /carries @Public\(\) and @OptionalMAuth\(\); keep one/,
    ],
    [
      'optional and required',
      [OptionalMAuth(), RequiresMAuth()],
      /carries @OptionalMAuth\(\) and @RequiresMAuth\(\)/,
    ],
    ['no apps', [RequiresMAuth({ apps: [] })], /empty `apps`; name the apps, or leave `apps` out/],
    ['text instead of a list', [RequiresMAuth({ apps: 'rave' as never })], /`apps`/],
    [
      'apps twice',
      [RequiresMAuth({ apps: [RAVE] }), RequiresMAuth({ apps: [OTHER] })],
      /more than one @RequiresMAuth/,
    ],
    [
      'unknown name',
      [RequiresMAuth({ apps: ['raev'] })],
      /"raev", which is neither a UUID .* \(known: rave\); correct it/,
    ],
    ['name of Object', [RequiresMAuth({ apps: ['constructor'] })], /"constructor", which is neither/],
    ['malformed UUID', [RequiresMAuth({ apps: [RAVE.slice(1)] })], /neither a UUID such as/],
    ['UUID in braces', [RequiresMAuth({ apps: [`{${RAVE}}`] })], /neither a UUID such as/],
    ['nothing as app', [RequiresMAuth({ apps: [undefined as never] })], /neither a UUID/],
    ['negative size', [RequiresMAuth({ maxBodyBytes: -1 })], /`maxBodyBytes` is not a whole number of bytes/],
    ['broken size', [RequiresMAuth({ maxBodyBytes: 1.5 })], /`maxBodyBytes`/],
    ['size as text', [RequiresMAuth({ maxBodyBytes: '1mb' as never })], /`maxBodyBytes`/],
  ];

  it.each(mistakes)('on a method: %s', (_name, decorators, message) => {
    @Controller('studies')
    class StudiesController {
      @Get() list() {}
    }
    decorators.forEach((decorate) =>
      decorate(
        StudiesController.prototype,
        'list',
        Object.getOwnPropertyDescriptor(StudiesController.prototype, 'list')!,
      ),
    );
    expect(() => policyOf(StudiesController)).toThrow(MAuthConfigurationError);
    expect(() => policyOf(StudiesController)).toThrow(/^StudiesController\.list /);
    expect(() => policyOf(StudiesController)).toThrow(message);
  });

  it.each(mistakes)('on a class: %s', (_name, decorators, message) => {
    class StudiesController {
      @Post() list() {}
    }
    (decorators as unknown as ClassDecorator[]).forEach((decorate) => decorate(StudiesController));
    expect(() => policyOf(StudiesController)).toThrow(MAuthConfigurationError);
    expect(() => policyOf(StudiesController)).toThrow(/^StudiesController/);
    expect(() => policyOf(StudiesController)).toThrow(message);
  });

  it('on a parent class', () => {
    @Public()
    @RequiresMAuth()
    class BaseController {
      list() {}
    }
    class StudiesController extends BaseController {}
    expect(() => policyOf(StudiesController)).toThrow(/^BaseController carries/);
  });
});
