import 'reflect-metadata';
import { MAuthConfigurationError } from '../config/errors.js';
import { type AccessPolicies } from './access-policies.js';
import { type HandlerPlace } from './access-policy.js';
import { isMAuthGuardSubclass } from './application-guard.js';
import { MAuthGuard } from './mauth.guard.js';
import { type ProviderWrapper } from './provider-wrapper.js';

/** What @UseGuards() writes. */
const GUARDS = '__guards__';

/** What is known of an application that is to start. */
interface Application {
  readonly providers: readonly ProviderWrapper[];
  readonly places: readonly HandlerPlace[];
  readonly policies: AccessPolicies;
  readonly protect: string;
  /** The guard that the module provides. */
  readonly guard: object;
}

/**
 * Refuses to start where a subclass of the guard is registered in a way in which some refusals would pass it by.
 *
 * @throws MAuthConfigurationError that names the subclass and the option `guard`
 */
export function refuseIneffectiveGuards(application: Application): void {
  refuseProviders(application);
  refuseLocalGuards(application);
}

function refuseProviders({ providers, guard }: Application): void {
  for (const { token, subtype, instance } of providers) {
    const isGlobal = subtype === 'guard';
    if (!isGlobal && token !== MAuthGuard) continue;
    const found = classOf(instance);
    if (!isMAuthGuardSubclass(found) || found === classOf(guard)) continue;
    throw ineffective(
      found.name,
      isGlobal ? 'is provided as APP_GUARD' : 'is provided in place of MAuthGuard',
    );
  }
}

function refuseLocalGuards({ places, policies, protect, guard }: Application): void {
  for (const place of places) {
    const { access, isAsked } = policies.of(place);
    if (access === 'public' || (protect === 'decorated' && !isAsked)) continue;
    for (const found of localGuards(place)) {
      if (!isMAuthGuardSubclass(found) || found === classOf(guard)) continue;
      throw ineffective(
        found.name,
        `stands at ${place.controller.name}.${place.handler.name} by @UseGuards(${found.name}), where the guard of ` +
          'MAuthModule runs as well',
      );
    }
  }
}

function localGuards({ controller, handler }: HandlerPlace): unknown[] {
  const written = [controller, handler].flatMap(
    (target) => (Reflect.getMetadata(GUARDS, target) ?? []) as unknown[],
  );
  return written.map((guard) => (typeof guard === 'object' ? classOf(guard) : guard));
}

function classOf(instance: unknown): unknown {
  return (instance as object | null | undefined)?.constructor;
}

function ineffective(name: string, how: string): MAuthConfigurationError {
  return new MAuthConfigurationError(
    `${name} ${how}, so MAuthGuard itself would still decide in some places. Register it once, as the option \`guard: ` +
      `${name}\` of MAuthModule, beside \`protect\`.`,
  );
}
