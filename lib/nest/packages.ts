import { MAuthConfigurationError } from '../config/errors.js';

/** What the front door for Nest needs. Each is named as text, so that bundlers find it. */
const PACKAGES: Readonly<Record<string, () => void>> = {
  /* eslint-disable @typescript-eslint/no-require-imports */
  '@nestjs/common': () => void require('@nestjs/common'),
  '@nestjs/core': () => void require('@nestjs/core'),
  'reflect-metadata': () => void require('reflect-metadata'),
  rxjs: () => void require('rxjs'),
  /* eslint-enable @typescript-eslint/no-require-imports */
};

/**
 * Says what to install where Nest is missing; to be imported before anything that imports Nest. Only in CommonJS: ES
 * modules are not run at all before all that they import has been found, and there Node itself names what is missing.
 */
function checkPackages(): void {
  const missing = Object.keys(PACKAGES).filter(isMissing);
  if (missing.length === 0) return;
  throw new MAuthConfigurationError(
    `nestjs-mauth needs ${missing.join(', ')}, and cannot find ${missing.length > 1 ? 'them' : 'it'}: ` +
      `npm install ${missing.join(' ')}. Without Nest import 'nestjs-mauth/core', which needs none of them.`,
  );
}

function isMissing(name: string): boolean {
  try {
    PACKAGES[name]?.();
    return false;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Anything else is told by the import that follows. A package may also miss another one of these.
    return code === 'MODULE_NOT_FOUND' && message.includes(`'${name}'`);
  }
}

if (typeof require === 'function') checkPackages();
