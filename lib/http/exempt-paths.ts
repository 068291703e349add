import { MAuthConfigurationError } from '../config/errors.js';
import { pathOf } from '../authentication/path-policy.js';

const HEALTH_CHECK = '/app_status';

/**
 * Paths that pass a door unsigned. They are exact and raw, since a path that is compared in any other spelling than
 * that of the wire has more than one spelling.
 */
export class ExemptPaths {
  readonly #paths: ReadonlySet<unknown>;

  /** @throws MAuthConfigurationError when they are no list of paths */
  constructor(paths: unknown = [HEALTH_CHECK]) {
    if (!Array.isArray(paths) || !paths.every(isPath)) {
      throw new MAuthConfigurationError(
        `MAuth option \`exempt\` must be a list of paths such as ${HEALTH_CHECK}, each exact, with a leading slash ` +
          'and without query.',
      );
    }
    this.#paths = new Set(paths);
  }

  /** @param target path and query, as in the request line */
  has(target: string): boolean {
    return this.#paths.has(pathOf(target));
  }
}

function isPath(path: unknown): boolean {
  return typeof path === 'string' && /^\/[^?#\s]*$/.test(path);
}
