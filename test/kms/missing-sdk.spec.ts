import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { dirname, join } from 'node:path';
import ts from 'typescript';

const lib = join(__dirname, '../../lib');
const FILES = ['kms/index.ts', 'kms/kms-decryptor.ts', 'config/errors.ts', 'protocol/own-properties.ts'];
const ATTEMPT = `kmsDecryptor()(Buffer.from('ciphertext')).catch((error) => console.log(error.name + ': ' + error.message))`;

describe.each([
  [
    'CommonJS',
    ts.ModuleKind.CommonJS,
    'commonjs',
    `const { kmsDecryptor } = require('./kms/index.js'); ${ATTEMPT}`,
  ],
  ['ES module', ts.ModuleKind.ESNext, 'module', `import { kmsDecryptor } from './kms/index.js'; ${ATTEMPT}`],
])('without the AWS SDK, as %s', (_name, module, type, script) => {
  let folder: string;

  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'without-sdk-'));
    for (const file of FILES) {
      const target = join(folder, file.replace(/\.ts$/, '.js'));
      mkdirSync(dirname(target), { recursive: true });
      const compilerOptions = { module, target: ts.ScriptTarget.ES2022 };
      const { outputText } = ts.transpileModule(readFileSync(join(lib, file), 'utf8'), { compilerOptions });
      writeFileSync(target, outputText);
    }
    writeFileSync(join(folder, 'package.json'), JSON.stringify({ type }));
    writeFileSync(join(folder, 'main.js'), script);
  });
  afterAll(() => rmSync(folder, { recursive: true }));

  it('loads, and says what to install once there is something to decrypt', () => {
    const output = execFileSync(process.execPath, ['main.js'], { cwd: folder, encoding: 'utf8' });
    expect(output).toContain('MAuthConfigurationError');
    expect(output).toContain('npm install @aws-sdk/client-kms');
  });
});
