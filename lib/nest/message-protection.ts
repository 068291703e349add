import 'reflect-metadata';
import {
  Catch,
  Inject,
  Injectable,
  Optional,
  type ArgumentsHost,
  type CanActivate,
  type ExceptionFilter,
  type ExecutionContext,
  type Type,
} from '@nestjs/common';
import { MetadataScanner, type ModulesContainer } from '@nestjs/core';
import { of, throwError, type Observable } from 'rxjs';
import { ownProperties, ownProperty } from '../protocol/own-properties.js';
import { type AnyClass } from './access-policy.js';
import { MAuthUnsupportedContextException } from './mauth.exceptions.js';
import { isClass, type NestCore } from './nest-core.js';
import { MAUTH_MESSAGE_GUARD, MAUTH_NEST, MAUTH_PROTECT } from './tokens.js';

// What @nestjs/microservices, @nestjs/websockets, @UseGuards() and @UseFilters() write. Their packages are not asked:
// most applications do without them.
const IS_HANDLER = ['microservices:handler_type', 'websockets:message_mapping'];
const GUARDS = '__guards__';
const FILTERS = '__exceptionFilters__';

/**
 * Stands at each class with message handlers, and asks the guard of the application that the call belongs to. Routes
 * of such a class are left to the global guard, which Nest always runs for them.
 *
 * Nest makes it for applications without MAuth, too, where they have such a class in common with one that has MAuth;
 * there it lets every call pass.
 */
@Injectable()
export class MessageGuard implements CanActivate {
  constructor(@Optional() @Inject(MAUTH_MESSAGE_GUARD) private readonly guard?: CanActivate) {}

  canActivate(context: ExecutionContext): ReturnType<CanActivate['canActivate']> {
    if (!this.guard || context.getType<string>() === 'http') return true;
    return this.guard.canActivate(context);
  }
}

/** `UNAUTHENTICATED`, as gRPC numbers it. */
const GRPC_UNAUTHENTICATED = 16;

/** The error that callers of message handlers get in place of an answer. Nest's own errors have the same shape. */
interface RpcError {
  readonly status: 'error';
  readonly message: string;
  readonly code?: number;
}

/** As much of a call of gRPC as is used here. */
interface GrpcCall {
  emit(event: 'error', error: RpcError): unknown;
}

/**
 * Tells callers of message handlers why they were refused, and what the remedy is. For Nest this is an exception of
 * HTTP, so it would answer "Internal server error".
 */
@Catch(MAuthUnsupportedContextException)
export class RpcRefusalFilter implements ExceptionFilter<MAuthUnsupportedContextException> {
  /** @returns what Nest sends in place of the handler's answer */
  catch({ message }: MAuthUnsupportedContextException, host: ArgumentsHost): Observable<unknown> {
    const error: RpcError = { status: 'error', message };
    const [first, second, third] = host.getArgs<unknown[]>();
    if (isGrpcCall(first)) return endCall(first, second, { ...error, code: GRPC_UNAUTHENTICATED });
    return throwError(() => (isGrpcCall(third) ? { ...error, code: GRPC_UNAUTHENTICATED } : error));
  }
}

/**
 * A handler with `@GrpcStreamCall()` answers by itself, and Nest does not look at what it returns: an error there would
 * be an unhandled rejection, and end the process.
 */
function endCall(call: GrpcCall, callback: unknown, error: RpcError): Observable<undefined> {
  if (typeof callback === 'function') (callback as (error: RpcError) => void)(error);
  else call.emit('error', error);
  return of(undefined);
}

function isGrpcCall(value: unknown): value is GrpcCall {
  return ['emit', 'sendMetadata'].every((name) => typeof ownProperty(value, name) === 'function');
}

/**
 * Brings the guard to message handlers at which Nest runs no global guards: those that are connected by
 * `connectMicroservice()` without `inheritAppConfig`. Nothing tells whether that was given, so all of them get it.
 *
 * A decorator that is written on a class is there for every application of the process. So what is written is the
 * name of a guard, and each application is given its own guard for that name.
 */
@Injectable()
export class MessageProtection {
  readonly #modules: ModulesContainer;

  constructor(
    @Inject(MAUTH_NEST) { modules }: NestCore,
    @Inject(MAUTH_MESSAGE_GUARD) private readonly guard: CanActivate,
  ) {
    this.#modules = modules;
    this.#protectAll();
    // Modules that were loaded later: this is announced before Nest binds the handlers.
    modules.getRpcTargetRegistry?.().subscribe(() => this.#protectAll());
  }

  #protectAll(): void {
    for (const module of this.#modules.values()) {
      const classes = [...module.controllers.values(), ...module.providers.values()]
        .filter(isClass)
        .map(({ metatype }) => metatype as AnyClass);
      classes.filter(hasMessageHandlers).forEach(bringGuard);
      // Also for a class that inherits the guard, and is in a module that was scanned before it was written.
      const guard = { provide: MessageGuard, useValue: new MessageGuard(this.guard) };
      module.addInjectable(ownProperties(guard), 'guard');
      const filter = { provide: RpcRefusalFilter, useValue: new RpcRefusalFilter() };
      module.addInjectable(ownProperties(filter), 'filter');
    }
  }
}

/**
 * The guard of an application, asked for when it is needed: handlers are bound before what options depend on is known
 * to be well. `ModuleRef` is not asked, for it remembers what the first compilation of a testing builder made.
 *
 * @param token of the guard, among the providers of MAuth's own module
 */
export function laterProvided(modules: ModulesContainer, token: Type<CanActivate>): CanActivate {
  let guard: CanActivate | undefined;
  return {
    canActivate: (context) => {
      const own = () => [...modules.values()].find(({ providers }) => providers.has(MAUTH_PROTECT));
      guard ??= own()?.providers.get(token)?.instance as CanActivate;
      return guard.canActivate(context);
    },
  };
}

function hasMessageHandlers({ prototype }: AnyClass): boolean {
  const methods = prototype as Record<string, (() => unknown) | undefined> | undefined;
  return new MetadataScanner()
    .getAllMethodNames(methods ?? null)
    .flatMap((name) => methods?.[name] ?? [])
    .some((method) => IS_HANDLER.some((key) => Reflect.hasMetadata(key, method)));
}

/**
 * At the class and not at its methods, for Nest looks for what is written on a method at the function that is called:
 * a constructor may have put another one in its place.
 */
function bringGuard(one: AnyClass): void {
  const written = (key: string) => (Reflect.getMetadata(key, one) ?? []) as unknown[];
  const guards = written(GUARDS);
  if (guards.includes(MessageGuard)) return;
  Reflect.defineMetadata(GUARDS, [...guards, MessageGuard], one);
  // The first is asked last: filters of the application come before it.
  Reflect.defineMetadata(FILTERS, [RpcRefusalFilter, ...written(FILTERS)], one);
}
