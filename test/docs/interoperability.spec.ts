import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { explainRequest } from '../../lib/explain/index.js';
import { accepted, alice, createWorld, refused, signedHeaders } from '../authentication/signed-by-hand.js';

interface Row {
  readonly url: string;
  readonly headers: Record<string, string>;
  readonly isAccepted: boolean;
  readonly cause: string;
}

const page = readFileSync(join(__dirname, '../../docs/interoperability.md'), 'utf8');
const rows = [...page.matchAll(/^\| `(\/.+?)` +\| `(.+?)` +\| .+? \| (yes|no) +\|(.*)\|$/gm)].map(
  ([, url = '', signed = '', answer, cause = '']): [string, Row] => {
    // A path is signed where the column holds one; the query of these rows is empty.
    const [path, query] = signed.startsWith('/') ? [signed, ''] : ['/s', signed];
    const headers = signedHeaders(2, alice, { method: 'GET', path, query, body: '' });
    return [url, { url, headers, isAccepted: answer === 'yes', cause: cause.replace(/[`\s]/g, '') }];
  },
);

describe('The page about other clients', () => {
  it('has examples of both kinds', () => {
    expect(rows.filter(([, { isAccepted }]) => isAccepted)).toHaveLength(3);
    expect(rows).toHaveLength(8);
  });

  it.each(rows)('is right about %s', async (_, { url, headers, isAccepted, cause }) => {
    const request = { method: 'GET', url, headers, body: null };
    expect(await createWorld().authenticator.authenticateRequest(request)).toEqual(
      isAccepted ? accepted(alice, 2) : refused('signature_mismatch'),
    );
    const { verdict, causes } = explainRequest({ ...request, publicKey: alice.publicKey });
    expect([verdict, causes.map(({ code }) => code).join()]).toEqual(
      isAccepted ? ['authentic', ''] : ['explained', cause],
    );
  });

  it.each(rows)('is right about V1 beside it: %s', async (_, { url, headers }) => {
    // Python leaves parameters of the path out of V1 as well.
    const [path = ''] = url.replace(';b', '').split('?');
    const v1 = signedHeaders(1, alice, { method: 'GET', path, body: '' });
    const request = { method: 'GET', url, headers: { ...headers, ...v1 }, body: null };
    const alone = { ...request, headers };
    const { authenticator } = createWorld({ pathPolicy: 'strict' });
    const isHelped = url !== '/a;b' && url !== '/x//../y';
    const { authentic } = await authenticator.authenticateRequest(alone);
    expect((await authenticator.authenticateRequest(request)).authentic).toBe(isHelped);
    const strict = createWorld({ pathPolicy: 'strict', v2OnlyAuthenticate: true }).authenticator;
    expect((await strict.authenticateRequest(request)).authentic).toBe(authentic);
  });

  it('is right about `%` in paths of Go, whose V1 covers the decoded path', async () => {
    const headers = {
      ...signedHeaders(2, alice, { method: 'GET', path: '/a/b', query: '', body: '' }),
      ...signedHeaders(1, alice, { method: 'GET', path: '/a/b', body: '' }),
    };
    const request = { method: 'GET', url: '/a%2Fb', headers, body: null };
    expect(await createWorld().authenticator.authenticateRequest(request)).toEqual(
      refused('signature_mismatch'),
    );
  });
});
