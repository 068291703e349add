import { FastifyHooks } from './fastify-hooks.js';
import { MAuthConfigurationError } from '../../config/errors.js';
import { StandaloneGate, type MAuthGateOptions } from './standalone-gate.js';

/** As much of a Fastify instance as the plugin needs. */
export interface MAuthPluggableFastify {
  addHook(name: string, hook: (...parameters: never[]) => unknown): unknown;
  hasDecorator(name: string): boolean;
  decorate(name: string, value: unknown): unknown;
}

/** A plugin as Fastify calls it. */
export type MAuthFastifyPlugin = (
  instance: MAuthPluggableFastify,
  options: MAuthPluginOptions,
) => Promise<void>;

/** Options that `register` itself understands, beside those of a plugin. */
const REGISTER_OPTIONS = ['prefix', 'logLevel', 'logSerializers'];
const REGISTERED = 'nestjs-mauth';

/** Options of the plugin; without any of its own it takes them from the environment. */
export type MAuthPluginOptions = Partial<MAuthGateOptions>;

async function register(instance: MAuthPluggableFastify, options: MAuthPluginOptions): Promise<void> {
  refuseToComeTooLate(instance);
  const hooks = new FastifyHooks();
  const gate = new StandaloneGate(hooks, ownOptions(options));
  instance.addHook('onClose', () => gate.close());
  await gate.ready();
  instance.decorate(REGISTERED, true);
  const middleware = hooks.addHooks(instance, {
    // The gate does it, for requests that are not exempt.
    arrive: () => undefined,
    allow: (pair) => gate.allows(pair, hooks.routedTarget(pair.request)),
  });
  // The middleware of `@fastify/middie` runs in a hook of its own, which may be older than ours.
  const { use } = instance as { use?: unknown };
  if (typeof use === 'function') use.call(instance, middleware);
}

/** Undefined where there are none: then they are in the environment. */
function ownOptions(options: MAuthPluginOptions): MAuthGateOptions | undefined {
  const own = Object.entries(options).filter(([name]) => !REGISTER_OPTIONS.includes(name));
  return own.length > 0 ? (Object.fromEntries(own) as unknown as MAuthGateOptions) : undefined;
}

/** Hooks are inherited by contexts that are made after them: earlier plugins would go on without any protection. */
function refuseToComeTooLate(instance: MAuthPluggableFastify): void {
  if (instance.hasDecorator(REGISTERED)) {
    throw new MAuthConfigurationError(
      'mauthPlugin is registered more than once; register it once, at the root.',
    );
  }
  const key = Object.getOwnPropertySymbols(instance).find(
    ({ description }) => description === 'fastify.children',
  );
  const children = key && (instance as unknown as Record<symbol, unknown>)[key];
  if (Array.isArray(children) && children.length > 0) {
    throw new MAuthConfigurationError(
      'mauthPlugin is registered after other plugins, whose routes it could not protect; register it first.',
    );
  }
}

/**
 * A gate for Fastify without Nest: nothing but authentic requests reaches a handler of the instance that it is
 * registered on, whether its route was registered before or afterwards, or there is none; and the paths in `exempt`
 * pass. All others are answered as a Nest application with this package answers them; `getMAuthIdentity(request)`
 * tells handlers who is calling. With `responses.sign` the responses to authentic requests are signed.
 *
 * Register it first, and wait for that: hooks and plugins that come before it are open, and so is the server's option
 * `frameworkErrors`, which answers what has no valid URL. Without options of its own it takes them from the
 * environment. Registering fails with MAuthConfigurationError when an option is wrong or the private key cannot be
 * decrypted; when the instance closes, so do the connections to the MAuth service. Requests for an upgrade, such as
 * those of WebSockets, pass by it unless another plugin routes them like requests; messages over a socket always do.
 *
 * @example
 * const app = fastify();
 * await app.register(mauthPlugin, { ...mauthOptionsFromEnv(), exempt: ['/app_status', '/version'] });
 * app.post('/studies', async (request) => getMAuthIdentity(request));
 */
export const mauthPlugin: MAuthFastifyPlugin = Object.assign(register, {
  // Hooks have to be the parent's own, not those of a context that holds nothing else.
  [Symbol.for('skip-override')]: true,
  [Symbol.for('fastify.display-name')]: 'nestjs-mauth',
  [Symbol.for('plugin-meta')]: { name: 'nestjs-mauth', fastify: '5.x' },
});
