import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { runInNewContext } from 'node:vm';
import { transformSync } from '@swc/core';
import { explainRequest } from 'nestjs-mauth/explain';
import { generateMAuthKeyPair } from 'nestjs-mauth/testing';
import { MAuthSigner } from '../../lib/core.js';

const page = readFileSync(join(__dirname, '../../docs/troubleshooting.md'), 'utf8');

describe('docs/troubleshooting.md', () => {
  it('prints what it says', async () => {
    const [code = '', output = ''] = [...page.matchAll(/```(?:ts)?\n([^]*?)```/g)].map(([, block]) => block);
    const { privateKey, publicKey } = await generateMAuthKeyPair();
    const appUuid = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
    const signer = new MAuthSigner({ appUuid, privateKey, signVersions: 'v2' });
    const headers = await signer.signRequest({ method: 'GET', url: '/studies?page=1' });
    const lines: string[] = [];
    const console = { log: (line: string) => lines.push(line) };
    const { code: script } = transformSync(code.replace(/^import .*$/m, ''), {
      jsc: { parser: { syntax: 'typescript' } },
    });
    runInNewContext(script, { explainRequest, request: { headers }, publicKey, console, Date });
    expect(`${lines.join('\n')}\n`).toBe(output);
  });
});
