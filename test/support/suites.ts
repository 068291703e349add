import { existsSync } from 'node:fs';
import { join } from 'node:path';

const folder = process.env.MAUTH_SUITES_DIR;

/** `describe` for tests that need the public suites; says where to get them when they are not there. */
export function describeWithSuites(
  name: string,
  tests: (path: (...names: string[]) => string) => void,
): void {
  if (folder && existsSync(folder)) {
    describe(name, () => tests((...names) => join(folder, ...names)));
    return;
  }
  describe.skip(`${name} (skipped: set MAUTH_SUITES_DIR to the folder with suites/ and vectors/, see README)`, () => {
    it.todo('needs the public suites');
  });
}
