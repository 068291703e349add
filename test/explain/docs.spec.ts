import { explainRequest } from 'nestjs-mauth/explain';
import { generateMAuthKeyPair } from 'nestjs-mauth/testing';
import { MAuthSigner } from '../../lib/core.js';
import { provenCause, type ExplainCause } from '../../lib/explain/causes.js';
import { blocksOf, rowsOf, runBlock, sectionOf } from '../support/page-code.js';
import { literalsOf } from '../support/source-code.js';

const PAGE = 'troubleshooting.md';

describe('docs/troubleshooting.md', () => {
  it('prints what it says', async () => {
    const [code] = blocksOf(PAGE, 'ts');
    const [, output] = blocksOf(PAGE, 'txt');
    const { privateKey, publicKey } = await generateMAuthKeyPair();
    const appUuid = '5ff4257e-9c16-11e0-b048-0026bbfffe5e';
    const signer = new MAuthSigner({ appUuid, privateKey, signVersions: 'v2' });
    const headers = await signer.signRequest({ method: 'GET', url: '/studies?page=1' });
    const lines: string[] = [];
    const { explain } = runBlock(code, () => ({ explainRequest })) as {
      explain: (...values: unknown[]) => void;
    };
    const log = jest.spyOn(console, 'log').mockImplementation((line: string) => void lines.push(line));
    explain({ method: 'GET', url: '/gateway/studies?page=1', headers }, Buffer.alloc(0), publicKey);
    log.mockRestore();
    expect(`${lines.join('\n')}\n`).toBe(output);
  });

  it('has the text and the remedy of each cause, and no others', () => {
    const plain = (text: string) => text.replace(/[`\\]/g, '');
    const shown = rowsOf(sectionOf(PAGE, 'Causes, and what is printed for them'));
    const codes = literalsOf('explain/causes.ts', 'ExplainCause') as ExplainCause[];
    expect(shown.map(([code]) => code).sort()).toEqual([...codes].sort());
    for (const [code, text, remedy] of shown) {
      const cause = provenCause(code as ExplainCause);
      expect([code, plain(text), plain(remedy)]).toEqual([code, plain(cause.text), plain(cause.remedy)]);
    }
  });
});
