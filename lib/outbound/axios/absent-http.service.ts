import { Inject, Injectable, Optional, type OnModuleInit } from '@nestjs/common';
import { ModulesContainer } from '@nestjs/core';
import { MAuthConfigurationError } from '../../config/errors.js';
import { MAuthHttpService } from './mauth-http.service.js';

const reasons = new WeakMap<object, MAuthConfigurationError>();

/**
 * Stands in for MAuthHttpService where `@nestjs/axios` cannot be loaded: whatever it is asked for, it throws the reason.
 * It is for applications that send nothing; others are stopped by `AbsentHttpServiceCheck`.
 */
export function absentHttpService(reason: MAuthConfigurationError): MAuthHttpService {
  const absent = new Proxy(Object.create(MAuthHttpService.prototype) as MAuthHttpService, {
    get(target, name): unknown {
      // Nest looks at every provider for these, and `await` for `then`.
      const isForNest = typeof name === 'symbol' || name === 'then' || /^(on|before)[A-Z]/.test(name);
      if (isForNest || name in Object.prototype) return Reflect.get(target, name);
      throw reason;
    },
  });
  reasons.set(absent, reason);
  return absent;
}

/** Stops the start where something injects a MAuthHttpService that could not be made. */
@Injectable()
export class AbsentHttpServiceCheck implements OnModuleInit {
  constructor(
    // Of another copy of Nest it is unknown; then that is what the start is stopped for.
    @Optional() @Inject(ModulesContainer) private readonly modules: ModulesContainer,
    @Inject(MAuthHttpService) private readonly http: MAuthHttpService,
  ) {}

  /** @throws MAuthConfigurationError that names who injects it, and says what to install */
  onModuleInit(): void {
    const reason = reasons.get(this.http);
    const user = reason && this.#user();
    if (!user) return;
    throw new MAuthConfigurationError(`${user} injects MAuthHttpService. ${reason.message}`, {
      cause: reason.cause,
    });
  }

  #user(): string | undefined {
    for (const { providers, controllers, injectables } of this.modules.values()) {
      for (const wrapper of [...providers.values(), ...controllers.values(), ...injectables.values()]) {
        const properties = wrapper.getPropertiesMetadata() ?? [];
        const injected = [
          ...(wrapper.getCtorMetadata() ?? []),
          ...properties.map((property) => property.wrapper),
        ];
        const isUser = wrapper.metatype !== AbsentHttpServiceCheck;
        if (isUser && injected.some((dependency) => dependency?.token === MAuthHttpService)) {
          return String(wrapper.name);
        }
      }
    }
    return undefined;
  }
}
