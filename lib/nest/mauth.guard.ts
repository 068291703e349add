import {
  BadRequestException,
  Inject,
  Injectable,
  PayloadTooLargeException,
  RequestTimeoutException,
  type CanActivate,
  type ExecutionContext,
  type HttpException,
} from '@nestjs/common';
import { isPromise, type MaybePromise } from '../authentication/maybe-promise.js';
import { type MAuthIdentity } from '../authentication/identity.js';
import { MAuthConfigurationError } from '../config/errors.js';
import { type MAuthSettings } from '../config/options.js';
import { type AccessPolicy } from './access-policy.js';
import { answerFor, type MAuthInboundFailure, type InboundOutcome } from '../http/refusals.js';
import { mauthGuard, type ApplicationGuard } from './application-guard.js';
import { nodeResponse } from '../http/request-pair.js';
import { graphqlRequests, isRefusalTold } from './graphql-requests.js';
import { type InboundAuthenticator } from './inbound-authenticator.js';
import { MAUTH_INBOUND_AUTHENTICATOR, MAUTH_SETTINGS } from './tokens.js';
import {
  MAuthForbiddenException,
  MAuthUnauthorizedException,
  MAuthUnavailableException,
  MAuthUnsupportedContextException,
} from './mauth.exceptions.js';

/**
 * Lets authentic requests pass, as the decorators at the handler ask for; where they ask for nothing, every request
 * must be authentic. `@RequiresMAuth()` and `@OptionalMAuth()` bring it along; `protect: 'routes'` puts it in front of
 * every handler.
 *
 * A request is verified once, however often the guard runs for it; what the decorators ask for is looked at each time.
 *
 * Three of its steps are made to be overridden: `getRequest`, `onAuthenticated` and `toException`. The subclass is
 * named in `guard`, beside `protect`, and then decides everywhere: at decorators, in front of all handlers, and in the
 * gate, which asks `toException` for its answers. What `MAuthGuard` needs is injected into properties, so a subclass is
 * free to have a constructor of its own; what that injects comes from `imports` or from global modules.
 *
 * @example
 * @Injectable()
 * class AuditedMAuthGuard extends MAuthGuard {
 *   protected override onAuthenticated(context: ExecutionContext, { appUuid }: MAuthIdentity) {
 *     audit.record(appUuid, context.getHandler().name);
 *   }
 * }
 *
 * MAuthModule.forRoot({ ...mauthOptionsFromEnv(), protect: 'routes', guard: AuditedMAuthGuard });
 */
@mauthGuard
@Injectable()
export class MAuthGuard implements CanActivate {
  @Inject(MAUTH_SETTINGS)
  private readonly settings!: MAuthSettings;

  @Inject(MAUTH_INBOUND_AUTHENTICATOR)
  private readonly authenticator!: InboundAuthenticator;

  /** @throws what `toException` makes of the failure */
  canActivate(context: ExecutionContext): boolean | Promise<boolean> {
    const applicationGuard = this.#applicationGuard();
    if (applicationGuard) return applicationGuard.canActivate(context) as boolean | Promise<boolean>;
    const policy = this.authenticator.policies.at(context);
    if (policy.access === 'public') return true;
    const request = this.getRequest(context);
    const { requests } = this.authenticator;
    if (policy.access === 'optional' && !requests.hasMAuthHeaders(request)) {
      if (requests.find(request) || !isWithoutHttp(context)) return true;
      throw this.#unasked(context);
    }
    const outcome = requests.authenticate(request, policy);
    if (isPromise(outcome)) return outcome.then((late) => this.#judge(context, policy, late, request));
    return this.#judge(context, policy, outcome, request);
  }

  /** Decorators bring `MAuthGuard`, even where the application has named another guard: they are older than the module. */
  #applicationGuard(): ApplicationGuard | undefined {
    // What is injected is not there in a guard that was not made by Nest.
    const authenticator = this.authenticator as InboundAuthenticator | undefined;
    if (authenticator) return this.constructor === MAuthGuard ? authenticator.applicationGuard : undefined;
    throw new MAuthConfigurationError(
      `${this.constructor.name} was made by hand, so it has nothing to authenticate requests with. Name the class in ` +
        'the option `guard` of MAuthModule, or let Nest make it (@UseGuards).',
    );
  }

  #judge(
    context: ExecutionContext,
    policy: AccessPolicy,
    outcome: InboundOutcome,
    request: unknown,
  ): MaybePromise<boolean> {
    if (!outcome.authentic) {
      throw isWithoutHttp(context) ? this.#unsupported(context) : this.#refusal(context, outcome);
    }
    if (policy.apps && !policy.apps.has(outcome.appUuid)) {
      throw this.#refusal(context, this.#notAllowed(context, outcome, request));
    }
    const consent = this.onAuthenticated(context, outcome);
    // Any thenable is waited for: a subclass may bring a promise of its own make.
    return consent === undefined ? true : Promise.resolve(consent).then(() => true);
  }

  /**
   * The request to authenticate, the platform's or Node's own. For GraphQL it is looked for in the context, as `req`,
   * `request` or `reply.request`. Override it for other kinds of handlers that are reached by an HTTP request.
   *
   * @throws MAuthUnsupportedContextException for any type but `http` and `graphql`, and for GraphQL operations that
   * did not come with an HTTP request of this application: subscriptions, and what comes over a socket
   */
  protected getRequest(context: ExecutionContext): unknown {
    const type = context.getType<string>();
    if (type === 'http') return context.getArgByIndex<unknown>(0); // `switchToHttp()` adds three functions to the context each time.
    const request =
      type === 'graphql' &&
      graphqlRequests(context).find((found) => this.authenticator.requests.find(found) !== undefined);
    if (request) return request;
    throw this.#unasked(context);
  }

  /**
   * Called when a request has passed, each time it passes a guard in front of a handler. Throw to refuse it after all.
   */
  protected onAuthenticated(_context: ExecutionContext, _identity: MAuthIdentity): void | Promise<void> {
    return undefined;
  }

  /**
   * The exception that refuses a request. Its status and its body are what the caller gets; `failure.code` is for
   * logs and metrics, and is better kept from the caller. The gate of `protect: 'everything'` and `MAuthMiddleware`
   * answer with it too; exception filters do not see what they refuse.
   */
  protected toException(failure: MAuthInboundFailure): HttpException {
    const { status, body } = answerFor(failure, this.settings);
    switch (status) {
      case 400:
        return new BadRequestException(body);
      case 403:
        return new MAuthForbiddenException(body);
      case 408:
        return new RequestTimeoutException(body);
      case 413:
        return new PayloadTooLargeException(body);
      case 503:
      case 500:
        return new MAuthUnavailableException(status, body);
      default:
        return new MAuthUnauthorizedException(body);
    }
  }

  #refusal(context: ExecutionContext, failure: MAuthInboundFailure): HttpException {
    if (context.getType<string>() === 'http') {
      const response = nodeResponse(context.switchToHttp().getResponse<unknown>());
      if (response && !response.headersSent) {
        for (const [name, value] of Object.entries(answerFor(failure, this.settings).headers)) {
          response.setHeader(name, value);
        }
      }
    }
    return this.toException(failure);
  }

  /** Where nothing was asked to authenticate the call, and so nothing has told of it. */
  #unasked(context: ExecutionContext): MAuthUnsupportedContextException {
    const refusal = new MAuthUnsupportedContextException(context.getType<string>());
    if (isRefusalTold(context)) return refusal;
    this.authenticator.events.authenticated({
      outcome: 'inauthentic',
      code: 'unsupported_context',
      usedFallback: false,
      source: 'request',
      handler: placeOf(context),
      durationMs: 0,
    });
    return this.#unsupported(context, refusal);
  }

  #unsupported(
    context: ExecutionContext,
    refusal = new MAuthUnsupportedContextException(context.getType<string>()),
  ): MAuthUnsupportedContextException {
    const type = context.getType<string>();
    this.settings.logger.warn(
      `MAuth refused a call of type ${type} at ${placeOf(context)}: unsupported_context. ${refusal.message}`,
    );
    return refusal;
  }

  #notAllowed(context: ExecutionContext, identity: MAuthIdentity, request: unknown): MAuthInboundFailure {
    const { appUuid, protocolVersion } = identity;
    const incoming = this.authenticator.requests.find(request);
    const code = 'app_not_allowed';
    const failure = { authentic: true, status: 403, code } as const;
    if (isRefusalTold(context)) return failure;
    this.authenticator.decided({
      outcome: 'forbidden',
      code,
      appUuid,
      protocolVersion,
      usedFallback: incoming !== undefined && incoming.presentedVersion !== protocolVersion,
      source: 'request',
      ...incoming?.line,
      handler: placeOf(context),
      durationMs: incoming?.durationMs ?? 0,
    });
    return failure;
  }
}

function placeOf(context: ExecutionContext): string {
  return `${context.getClass().name}.${context.getHandler().name}`;
}

/**
 * Whether the call says that it is one of HTTP, and has no response: Nest takes that type for calls of modules that
 * name none, such as those of message brokers.
 */
function isWithoutHttp(context: ExecutionContext): boolean {
  return context.getType<string>() === 'http' && !nodeResponse(context.getArgByIndex<unknown>(1));
}
