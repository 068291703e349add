import { MAuthConfigurationError } from './errors.js';

/** Packages by name, each with what loads it. There it is named as text, so that bundlers find it. */
export type LoadedPackages = Readonly<Record<string, () => void>>;

/**
 * Says what to install where a package is missing; to be called before anything imports it. Only in CommonJS: ES
 * modules are not run at all before all that they import has been found, and there Node itself names what is missing.
 *
 * @param entry what needs them, such as `nestjs-mauth/terminus`
 * @param otherwise a sentence about what there is without them
 * @throws MAuthConfigurationError
 */
export function requirePackages(entry: string, packages: LoadedPackages, otherwise = ''): void {
  const missing = Object.keys(packages).filter((name) => isMissing(name, packages));
  if (missing.length === 0) return;
  throw new MAuthConfigurationError(
    `${entry} needs ${missing.join(', ')}, and cannot find ${missing.length > 1 ? 'them' : 'it'}: ` +
      `npm install ${missing.join(' ')}.${otherwise && ` ${otherwise}`}`,
  );
}

function isMissing(name: string, packages: LoadedPackages): boolean {
  try {
    packages[name]?.();
    return false;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    // Anything else is told by the import that follows. A package may also miss another one of these.
    return code === 'MODULE_NOT_FOUND' && message.includes(`'${name}'`);
  }
}
