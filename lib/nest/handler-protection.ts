import { type AccessPolicy, type HandlerPlace } from './access-policy.js';
import { type InboundAuthenticator } from './inbound-authenticator.js';
import { isGuardedLocally } from './local-guards.js';
import { type MAuthProtection } from './module-options.js';

/** What a caller needs in order to reach a handler. */
export interface HandlerProtection {
  /** `open`: every caller passes. `optional`: unsigned requests pass as well. `required`: authentic ones only. */
  readonly access: 'open' | 'optional' | 'required';
  /** Whether authentic requests of some apps are refused. */
  readonly isForSomeApps: boolean;
}

const OPEN: HandlerProtection = { access: 'open', isForSomeApps: false };

/**
 * What decorators, `protect` and `exempt` make of a handler together, as guard and gate decide it. Middleware is not
 * seen: which paths it stands in front of is the application's own business.
 *
 * @param path of the route, as in the request line
 * @throws MAuthConfigurationError that names a handler whose decorators are wrong
 */
export function handlerProtection(
  inbound: Pick<InboundAuthenticator, 'policies' | 'isExemptPath'>,
  protect: MAuthProtection,
  place: HandlerPlace,
  path: string,
): HandlerProtection {
  const policy = inbound.policies.of(place);
  if (policy.access === 'public') return OPEN;
  const isGuardedHere = policy.isDeclared || isGuardedLocally(place);
  if (!isGuardedHere && (protect === 'decorated' || inbound.isExemptPath(path))) return OPEN;
  return { access: policy.access, isForSomeApps: isRestricted(policy) };
}

function isRestricted({ apps }: AccessPolicy): boolean {
  return apps !== undefined;
}

/** What callers had better be ready for where it cannot be told which of the handlers they reach. */
export function strictest(protections: readonly HandlerProtection[]): HandlerProtection {
  const ranks = ['required', 'optional', 'open'] as const;
  const access = ranks.find((rank) => protections.some((one) => one.access === rank)) ?? 'open';
  return { access, isForSomeApps: protections.some(({ isForSomeApps }) => isForSomeApps) };
}
