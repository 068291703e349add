import { Identity, rememberIdentity, type MAuthIdentity } from '../authentication/identity.js';
import { type MAuthAuthenticator } from '../authentication/mauth-authenticator.js';
import { PresentedSignatures } from '../authentication/presented-signatures.js';
import { Authentic, inauthentic, type MAuthResult } from '../authentication/result.js';
import { type Verification, type Verifier } from '../authentication/verification.js';
import { MAuthConfigurationError } from '../config/errors.js';
import { nodeRequest } from '../http/request-pair.js';
import { isAppUuid } from '../protocol/headers.js';

/**
 * In the place of `MAuthAuthenticator`: every request is authentic as that app, signed or not, with or without a body.
 * Guard, gate and decorators work as they do in production, `apps` included.
 *
 * @throws MAuthConfigurationError where `appUuid` is no UUID
 *
 * @example
 * const module = await Test.createTestingModule({ imports: [AppModule] })
 *   .overrideProvider(MAuthAuthenticator)
 *   .useValue(withIdentity({ appUuid: RAVE, protocolVersion: 2 }))
 *   .compile();
 */
export function withIdentity(identity: MAuthIdentity): MAuthAuthenticator {
  const { appUuid, protocolVersion } = checked(identity);
  const result = Promise.resolve<MAuthResult>(new Authentic(appUuid, protocolVersion));
  const authenticator: Pick<
    MAuthAuthenticator,
    'authenticateRequest' | 'authenticateResponse' | 'beginRequest' | 'looksAtUnsigned'
  > = {
    looksAtUnsigned: true,
    authenticateRequest: () => result,
    authenticateResponse: () => result,
    beginRequest: () => new Presumed(appUuid, protocolVersion) as unknown as Verification,
  };
  return authenticator as MAuthAuthenticator;
}

/**
 * Notes who signed a request, for a test that puts a guard of its own in the place of `MAuthGuard`: then `@AppUuid()`
 * and `getMAuthIdentity()` tell it.
 *
 * @param request Express's, Fastify's or Node's
 * @throws MAuthConfigurationError where `appUuid` is no UUID
 *
 * @example
 * const guard = {
 *   canActivate: (context: ExecutionContext) => {
 *     setMAuthIdentity(context.switchToHttp().getRequest(), { appUuid: RAVE, protocolVersion: 2 });
 *     return true;
 *   },
 * };
 * builder.overrideGuard(MAuthGuard).useValue(guard);
 */
export function setMAuthIdentity(request: unknown, identity: MAuthIdentity): void {
  rememberIdentity(nodeRequest(request), checked(identity));
}

function checked({ appUuid, protocolVersion }: MAuthIdentity): MAuthIdentity {
  if (isAppUuid(appUuid)) return new Identity(appUuid.toLowerCase(), protocolVersion);
  throw new MAuthConfigurationError(
    '`appUuid` of an identity must be a UUID, such as 5ff4257e-9c16-11e0-b048-0026bbfffe5e.',
  );
}

/** A verification whose outcome is known beforehand. */
class Presumed implements Pick<
  Verification,
  | 'durationMs'
  | 'rejected'
  | 'signatures'
  | 'verifier'
  | 'prepare'
  | 'conclude'
  | 'accepted'
  | 'refuse'
  | 'failed'
> {
  /** As for a request that is known to fail: its body is left alone. */
  readonly rejected = inauthentic('missing_headers');
  readonly durationMs = 0;
  readonly signatures: PresentedSignatures;
  readonly verifier: Verifier = {
    update: () => undefined,
    prepare: () => undefined,
    verify: () => this.rejected,
    mismatch: undefined,
  };

  constructor(
    private readonly appUuid: string,
    private readonly protocolVersion: MAuthIdentity['protocolVersion'],
  ) {
    this.signatures = new PresentedSignatures(this.rejected, protocolVersion, appUuid);
  }

  prepare(): undefined {
    return undefined;
  }

  conclude(): MAuthResult {
    return new Authentic(this.appUuid, this.protocolVersion);
  }

  accepted(): void {
    return undefined;
  }

  failed(): void {
    return undefined;
  }

  refuse<F>(failure: F): F {
    return failure;
  }
}
