import { type HttpService } from '@nestjs/axios';
import { MAuthConfigurationError } from '../../config/errors.js';

/** What is used of `@nestjs/axios` at run time. */
export interface NestAxios {
  readonly HttpService: typeof HttpService;
}

/**
 * Loads `@nestjs/axios`. Only those who send need it, so it is loaded late: an application that sends nothing, and a
 * test that imports a decorator, do without it.
 *
 * @throws MAuthConfigurationError that says what to install
 */
export async function loadNestAxios(): Promise<NestAxios> {
  try {
    return await import('@nestjs/axios');
  } catch (cause) {
    throw new MAuthConfigurationError(`MAuthHttpService needs ${remedyFor(cause as Error)}`, { cause });
  }
}

function remedyFor(error: Error & { code?: unknown }): string {
  if (error.code === 'MODULE_NOT_FOUND' || error.code === 'ERR_MODULE_NOT_FOUND') {
    return 'the packages @nestjs/axios and axios: npm install @nestjs/axios axios (with Nest 11: @nestjs/axios@4).';
  }
  const [reason] = `${error.name}: ${error.message}`.split('\n');
  return (
    `@nestjs/axios, which cannot be loaded here (${reason}). Its versions from 12 on are ES modules, which Jest in ` +
    'CommonJS mode cannot load: with Nest 11 install @nestjs/axios@4; with Nest 12 let Jest transform @nestjs/*.'
  );
}
