/** The guards that are compared: each the way its documentation shows it, for every route. */
import { createHash, createPublicKey } from 'node:crypto';
import { UnauthorizedException } from '@nestjs/common';
import { APP_GUARD } from '@nestjs/core';
import { bareVerification } from './bare-verification.mjs';

// Each process loads what its own variant needs, for start-up takes long enough.
const silent = { log() {}, warn() {}, error() {} };
const guarded = (useFactory, inject = []) => ({ providers: [{ provide: APP_GUARD, useFactory, inject }] });

/**
 * What an application of the variant imports and provides.
 *
 * @param options `variant`, and `publicPem` and `appUuid` of the caller
 */
export async function protection(options) {
  const { variant } = options;
  if (variant === 'unguarded') return {};
  if (variant === 'passing') return guarded(() => ({ canActivate: () => true }));
  if (variant === 'verifying') return guarded(() => ({ canActivate: bareVerification() }));
  if (variant === 'jwt-pem') return jwt(options.publicPem);
  if (variant === 'jwt-key') return jwt(createPublicKey(options.publicPem));
  if (variant === 'rfc9421') return rfc9421(options);
  return { imports: [await mauth(options)] };
}

async function mauth({ variant, publicPem, appUuid, serviceUuid, mauthOptions }) {
  const { MAuthModule } = await import('nestjs-mauth');
  return MAuthModule.forRoot({
    appUuid: serviceUuid,
    ...(!mauthOptions?.mauthUrl && {
      findPublicKey: (asked) => (asked === appUuid ? publicPem : undefined),
    }),
    protect: 'routes',
    logAttempts: variant === 'v2-log',
    ...(variant !== 'v2-log' && { logger: silent }),
    ...mauthOptions,
  });
}

/** As in Nest's documentation, with RS512. */
async function jwt(publicKey) {
  const { JwtModule, JwtService } = await import('@nestjs/jwt');
  return {
    imports: [JwtModule.register({ publicKey, verifyOptions: { algorithms: ['RS512'] } })],
    ...guarded(
      (service) => ({
        async canActivate(context) {
          const request = context.switchToHttp().getRequest();
          const [type, token] = request.headers.authorization?.split(' ') ?? [];
          if (type !== 'Bearer' || !token) throw new UnauthorizedException();
          try {
            request.user = await service.verifyAsync(token);
          } catch {
            throw new UnauthorizedException();
          }
          return true;
        },
      }),
      [JwtService],
    ),
  };
}

/** HTTP Message Signatures over method, path, query and, where there is a body, its digest. */
async function rfc9421({ publicPem, appUuid }) {
  const { createVerifier, httpbis } = (await import('http-message-signatures')).default;
  const algorithm = 'rsa-v1_5-sha256';
  const verifier = createVerifier(createPublicKey(publicPem), algorithm);
  const key = { id: appUuid, algs: [algorithm], verify: verifier };
  return guarded(() => ({
    async canActivate(context) {
      const request = context.switchToHttp().getRequest();
      const { method, originalUrl, headers, rawBody } = request;
      const fields = ['@method', '@path', '@query'];
      if (rawBody?.length > 0) {
        const digest = createHash('sha512').update(rawBody).digest('base64');
        if (headers['content-digest'] !== `sha-512=:${digest}:`) throw new UnauthorizedException();
        fields.push('content-digest');
      }
      const isAuthentic = await httpbis
        .verifyMessage(
          {
            keyLookup: ({ keyid }) => (keyid === appUuid ? key : null),
            requiredFields: fields,
            tolerance: 300,
          },
          { method, url: `http://localhost${originalUrl}`, headers },
        )
        .catch(() => false);
      if (isAuthentic !== true) throw new UnauthorizedException();
      return true;
    },
  }));
}
