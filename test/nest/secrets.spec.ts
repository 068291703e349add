import { inspect, types } from 'node:util';
import { Controller, Get } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import {
  MAuthGuard,
  MAuthHttpService,
  MAuthModule,
  MAuthSigner,
  RequiresMAuth,
  type MAuthModuleOptions,
} from '../../lib/index.js';
import { Caller, send } from '../support/caller.js';
import { PLATFORMS, RecordingLogger, startApp } from '../support/running-app.js';
import { createTestApp } from '../support/test-app.js';

const WINDOW = 20;
const own = createTestApp();
const rave = createTestApp();

@RequiresMAuth()
@Controller('studies')
class StudiesController {
  @Get() list() {
    return 'handled';
  }
}

/** Every window of the key, in each of the forms in which keys are written. */
function windowsOf(pem: string): Set<string> {
  const base64 = pem.replace(/-----[A-Z ]+-----|\s/g, '');
  const forms = [base64, Buffer.from(pem).toString('base64'), Buffer.from(base64, 'base64').toString('hex')];
  const windows = forms.flatMap((text) =>
    Array.from({ length: text.length - WINDOW + 1 }, (_, start) => text.slice(start, start + WINDOW)),
  );
  return new Set(windows);
}

/** Looks at every run of characters that could be part of a key; line breaks, written in any way, end a run. */
function expectNoneIn(secrets: Set<string>, text: string): void {
  for (const [run] of text.replaceAll('\\n', ' ').matchAll(/[A-Za-z0-9+/]{20,}/g)) {
    for (let start = 0; start + WINDOW <= run.length; start++) {
      if (secrets.has(run.slice(start, start + WINDOW))) throw new Error('the private key shows');
    }
  }
}

/** Everything that can be reached from a value by properties, symbols and the contents of maps and sets. */
function everythingIn(root: unknown): Set<unknown> {
  const seen = new Set<unknown>([root]);
  for (const value of seen) {
    if ((typeof value !== 'object' && typeof value !== 'function') || value === null) continue;
    if (types.isMap(value)) for (const entry of value) entry.forEach((part: unknown) => seen.add(part));
    if (types.isSet(value)) value.forEach((part) => seen.add(part));
    if (ArrayBuffer.isView(value)) continue;
    for (const { value: part } of Object.values(Object.getOwnPropertyDescriptors(value))) seen.add(part);
    for (const symbol of Object.getOwnPropertySymbols(value)) {
      seen.add(Object.getOwnPropertyDescriptor(value, symbol)?.value);
    }
  }
  return seen;
}

const forms: [string, string][] = [
  ['a PEM', own.privateKeyPem],
  ['a PEM on one line', own.privateKeyPem.replaceAll('\n', '\\n')],
  ['base64 of a PEM', Buffer.from(own.privateKeyPem).toString('base64')],
];

describe.each(forms)('The private key, given as %s', (_form, privateKey) => {
  const secrets = windowsOf(own.privateKeyPem);
  const logger = new RecordingLogger();
  const options = (): MAuthModuleOptions => ({
    appUuid: own.appUuid,
    privateKey,
    findPublicKey: (appUuid) => (appUuid === rave.appUuid ? rave.publicKeyPem : undefined),
    logger,
  });

  it('would be found if it showed', () => {
    expect(secrets.size).toBeGreaterThan(1000);
    expect(() => expectNoneIn(secrets, inspect(options(), { depth: Infinity }))).toThrow(
      'the private key shows',
    );
    const reached = everythingIn({ deep: new Map([['options', [options()]]]) });
    expect(() => reached.forEach((it) => expectNoneIn(secrets, typeof it === 'string' ? it : ''))).toThrow();
  });

  it.each([
    ['forRoot', () => MAuthModule.forRoot(options())],
    ['forRootAsync', () => MAuthModule.forRootAsync({ useFactory: () => options() })],
  ])('cannot be seen in an application set up by %s', async (_name, register) => {
    const [, createAdapter] = PLATFORMS[0];
    const mauth = register();
    const { app, url, close } = await startApp(createAdapter, {
      imports: [mauth],
      controllers: [StudiesController],
    });
    expect((await new Caller(rave).signed(`${url}/studies`)).text).toBe('handled');
    expect((await send(`${url}/studies`)).status).toBe(401);

    const shown = [
      inspect(mauth, { depth: Infinity, showHidden: true }),
      inspect(app, { depth: 6, showHidden: true, maxArrayLength: null, maxStringLength: null }),
      JSON.stringify(mauth),
    ];
    for (const text of shown) expectNoneIn(secrets, text);
    // What a provider holds is behind a getter of Nest's, so it is named here.
    const wrappers = [...app.get(ModulesContainer).values()].flatMap(({ providers }) => [
      ...providers.values(),
    ]);
    const reached = everythingIn([app, wrappers, wrappers.map(({ instance }) => instance)]);
    expect([MAuthSigner, MAuthGuard, MAuthHttpService].every((token) => reached.has(app.get(token)))).toBe(
      true,
    );
    for (const part of reached) {
      if (typeof part === 'string') expectNoneIn(secrets, part);
      if (part instanceof Uint8Array) expectNoneIn(secrets, Buffer.from(part).toString('hex'));
    }
    for (const { message } of logger.lines) expectNoneIn(secrets, message);
    await close();
  });
});

describe('An error about the private key', () => {
  it.each([
    ['unreadable', own.privateKeyPem.replace('MII', 'XII')],
    ['cut short', own.privateKeyPem.slice(0, 600)],
    ['under a wrong label', own.privateKeyPem.replaceAll('PRIVATE KEY', 'EC PRIVATE KEY')],
    ['under a label of a public key', own.privateKeyPem.replaceAll('PRIVATE KEY', 'PUBLIC KEY')],
  ])('does not show it where it is %s', async (_case, privateKey) => {
    const [, createAdapter] = PLATFORMS[0];
    const imports = [MAuthModule.forRoot({ appUuid: own.appUuid, privateKey })];
    const error: unknown = await startApp(createAdapter, { imports }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'configuration' });
    expectNoneIn(windowsOf(own.privateKeyPem), inspect(error, { depth: Infinity, showHidden: true }));
  });

  it('does not show it where it was put into the wrong option', async () => {
    const [, createAdapter] = PLATFORMS[0];
    const wrong = {
      appUuid: own.privateKeyPem,
      mauthUrl: own.privateKeyPem,
      signVersions: own.privateKeyPem,
    };
    const imports = [MAuthModule.forRoot(wrong)];
    const error: unknown = await startApp(createAdapter, { imports }).catch((reason: unknown) => reason);
    expect(error).toMatchObject({ code: 'configuration' });
    expectNoneIn(windowsOf(own.privateKeyPem), inspect(error, { depth: Infinity, showHidden: true }));
  });
});
