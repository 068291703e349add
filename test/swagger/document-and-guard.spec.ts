import { Caller, send } from '../support/caller.js';
import { PLATFORMS } from '../support/running-app.js';
import {
  operationsOf,
  rave,
  startStudyApp,
  stranger,
  VARIANTS,
  VERSION_HEADER,
  type FoundOperation,
  type StudyApp,
} from './study-application.js';

const callers = [undefined, new Caller(rave), new Caller(stranger)] as const;

describe.each(PLATFORMS)('Document and guard on %s', (_name, createAdapter) => {
  describe.each(VARIANTS)("with protect: '%s' and versions by %s", (protect, versioning) => {
    let app: StudyApp;
    let operations: readonly FoundOperation[];
    beforeAll(async () => {
      app = await startStudyApp(createAdapter, protect, versioning);
      // Nest 11 names SEARCH for `@All()`, but registers no such route with Fastify.
      operations = operationsOf(app.document).filter(({ method }) => method !== 'SEARCH');
    });
    afterAll(() => app.close());

    /** What callers are answered at every operation: unsigned, signed by the app of `apps`, and by another. */
    async function answers(): Promise<(readonly [string, readonly number[]])[]> {
      const found: (readonly [string, readonly number[]])[] = [];
      for (const { method, path } of operations) {
        const url = app.url + path.replace(/\{\w+\}/g, '7');
        const headers = versioning === 'header' ? { [VERSION_HEADER]: versionOf(path) } : undefined;
        const statuses: number[] = [];
        for (const caller of callers) {
          const { status } = caller
            ? await caller.signed(url, { method, headers })
            : await send(url, { method, headers });
          statuses.push(status);
        }
        found.push([`${method} ${path}`, statuses]);
      }
      return found;
    }

    it('agree about every operation', async () => {
      const expected = operations.map(({ method, path, security, statuses }): [string, number[]] => {
        const success = Number(statuses.find((status) => status.startsWith('2')));
        const isClosed = security.length > 0 && security.every((one) => 'mauth-v2' in one);
        const isOtherApp = path.endsWith('/other-app');
        const isForSome = statuses.includes('403');
        return [
          `${method} ${path}`,
          [
            isClosed ? 401 : success,
            isForSome && isOtherApp ? 403 : success,
            isForSome && !isOtherApp ? 403 : success,
          ],
        ];
      });
      expect(await answers()).toEqual(expected);
      expect(new Set(expected.flatMap(([, statuses]) => statuses))).toEqual(new Set([200, 201, 401, 403]));
    });
  });
});

describe.each(PLATFORMS)('A document without the global prefix, on %s', (_name, createAdapter) => {
  it.each(VARIANTS)(
    "says the same of each operation (protect: '%s', versions by %s)",
    async (protect, versioning) => {
      const [whole, short] = [
        await startStudyApp(createAdapter, protect, versioning),
        await startStudyApp(createAdapter, protect, versioning, { ignoreGlobalPrefix: true }),
      ];
      await Promise.all([whole.close(), short.close()]);
      const said = ({ document }: StudyApp) =>
        operationsOf(document).map(({ method, path, security, statuses }) => ({
          route: `${method} ${path.replace(/^\/api(?=\/|$)/, '') || '/'}`,
          security,
          statuses,
        }));
      expect(said(short)).toEqual(said(whole));
      expect(operationsOf(whole.document)).not.toEqual(operationsOf(short.document));
    },
  );
});

/** In a document that has no versions in its paths. */
function versionOf(path: string): string {
  return /\/versioned\/(maybe|apps)$/.test(path) ? '2' : '1';
}
