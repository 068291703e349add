import { existsSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.env.MAUTH_SUITES_DIR;

/**
 * `describe` for tests that need a part of the public suites, such as `suites/wycheproof-rsa-sha512.json`; where it
 * is not there they are skipped, and say how to get it. `path` starts in the folder of all suites.
 */
export function describeWithSuites(
  name: string,
  part: string,
  tests: (path: (...names: string[]) => string) => void,
): void {
  if (folder && existsSync(join(folder, part))) {
    describe(name, () => tests((...names) => join(folder, ...names)));
    return;
  }
  describe.skip(`${name} (skipped: MAUTH_SUITES_DIR names no folder with ${part}, see docs/contributing/tests.md)`, () => {
    it.todo('needs the public suites');
  });
}
