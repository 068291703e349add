import 'reflect-metadata';
import { ApplicationConfig, MetadataScanner } from '@nestjs/core';
import { MAuthConfigurationError } from '../config/errors.js';
import { isGuarded, type AnyClass } from './access-metadata.js';
import { type AccessPolicies } from './access-policies.js';
import { MAuthGuard } from './mauth.guard.js';

// What @nestjs/websockets and @UseGuards() write. Their packages are not asked: most applications have no gateways.
const IS_GATEWAY = 'websockets:is_gateway';
const IS_HANDLER = 'websockets:message_mapping';
const GUARDS = '__guards__';

/**
 * Refuses to start where a handler of a WebSocket gateway is meant to be closed, but nothing closes it: Nest 11 runs
 * no global guards for gateways. (A guard refuses messages, whoever sent them: MAuth authenticates HTTP requests.)
 *
 * @throws MAuthConfigurationError that names the handler and the remedy
 */
export function refuseOpenGateways(
  classes: readonly AnyClass[],
  policies: AccessPolicies,
  protect: string,
): void {
  if (runsGlobalGuardsForGateways()) return;
  const open = classes.filter(isGateway).flatMap((gateway) => {
    const handlers = handlersOf(gateway).filter((handler) => {
      const { access, isAsked } = policies.of({ controller: gateway, handler });
      const isMeantToBeClosed = access !== 'public' && (protect !== 'decorated' || isAsked);
      return isMeantToBeClosed && !isGuardedLocally(gateway, handler);
    });
    return handlers.map(({ name }) => `${gateway.name}.${name}`);
  });
  if (open.length === 0) return;
  throw new MAuthConfigurationError(
    `This version of Nest runs no global guards for WebSocket gateways, so nothing protects ${open.join(', ')}. ` +
      'Say what is meant, at the gateway or its handlers: @Public() leaves them open, @RequiresMAuth() or ' +
      '@UseGuards(MAuthGuard) refuses their messages, for MAuth authenticates HTTP requests only.',
  );
}

/** Nest 12 does. It can be told by what else came with it; the packages' own versions are not at hand at run time. */
function runsGlobalGuardsForGateways(): boolean {
  return 'registerPreRequestHook' in ApplicationConfig.prototype;
}

function isGateway(one: AnyClass): boolean {
  return Reflect.hasMetadata(IS_GATEWAY, one);
}

function handlersOf(gateway: AnyClass): (object & { readonly name: string })[] {
  const methods = gateway.prototype as Record<string, (() => unknown) | undefined>;
  return new MetadataScanner()
    .getAllMethodNames(methods)
    .flatMap((name) => methods[name] ?? [])
    .filter((method) => Reflect.hasMetadata(IS_HANDLER, method));
}

function isGuardedLocally(gateway: AnyClass, handler: object): boolean {
  const guards = [gateway, handler].flatMap(
    (place) => (Reflect.getMetadata(GUARDS, place) ?? []) as unknown[],
  );
  return isGuarded(gateway, handler) || guards.some(isOurs);
}

function isOurs(guard: unknown): boolean {
  if (guard === MAuthGuard || guard instanceof MAuthGuard) return true;
  return typeof guard === 'function' && guard.prototype instanceof MAuthGuard;
}
