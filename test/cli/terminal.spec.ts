import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandLine, mauthWords } from '../support/command-line.js';
import { createTestApp } from '../support/test-app.js';
import { FakeMAuthService } from '../../lib/testing/fake-mauth-service.js';

const own = createTestApp();
const line = new CommandLine();
const COMMANDS = ['request', 'sign', 'verify', 'explain', 'keygen', 'serve', 'doctor', 'proxy', 'routes'];
let service: FakeMAuthService;
let doctor: string[];

beforeAll(async () => {
  service = await FakeMAuthService.start();
  service.register(own.appUuid, own.publicKeyPem);
  line.write('own.pem', own.privateKeyPem);
  doctor = ['doctor', '--app-uuid', own.appUuid, '--key', 'own.pem', '--mauth-url', service.url];
});
afterAll(async () => {
  await service.stop();
  line.remove();
});

/** Runs `mauth` on a pseudo-terminal. */
function onTerminal(args: readonly string[], env: Record<string, string> = {}) {
  const words = [...mauthWords(), ...args].map((word) => `'${word}'`).join(' ');
  return line.run(['script', '-qec', words, '/dev/null'], { env: { TERM: 'xterm', ...env } });
}

const GREEN = '\u001b[32mok';

describe('Colours', () => {
  it('are there on a terminal', async () => {
    const { exitCode, stdout } = await onTerminal(doctor);
    expect(exitCode).toBe(0);
    expect(stdout).toContain(GREEN);
  });

  it('are not there with NO_COLOR, with --no-color, and in a pipe', async () => {
    expect((await onTerminal(doctor, { NO_COLOR: '1' })).stdout).not.toContain('\u001b[');
    expect((await onTerminal([...doctor, '--no-color'])).stdout).not.toContain('\u001b[');
    expect((await line.mauth(doctor)).stdout).not.toContain('\u001b[');
  });

  it('are there in a pipe with --color', async () => {
    expect((await line.mauth([...doctor, '--color'])).stdout).toContain(GREEN);
  });
});

describe('Help', () => {
  it.each([['mauth', ['--help']], ...COMMANDS.map((name): [string, string[]] => [name, [name, '--help']])])(
    'of %s fits on a screen, with two examples',
    async (name, args) => {
      const { exitCode, stdout, stderr } = await line.mauth(args);
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
      expect(stdout.trimEnd().split('\n').length).toBeLessThanOrEqual(40);
      const examples = stdout.split('Examples:\n')[1].split('\n\n')[0].trimEnd().split('\n');
      expect(examples).toHaveLength(2);
      for (const example of examples)
        expect(example).toMatch(name === 'mauth' ? /^ {2}mauth \S/ : /^ {2}mauth \S/);
    },
  );

  it('suggests the command that was meant: 2', async () => {
    const ended = await line.mauth(['explian', 'request.txt']);
    expect(ended).toMatchObject({ exitCode: 2, stdout: '' });
    expect(ended.stderr).toMatch(/unknown command 'explian'\n\(Did you mean explain\?\)\nSee "mauth --help"/);
  });

  it('is shown, with 2, where nothing is asked for', async () => {
    const ended = await line.mauth([]);
    expect(ended.exitCode).toBe(2);
    expect(ended.stderr).toContain('Usage: mauth <command>');
  });
});

describe('The version', () => {
  it.each([['--version'], ['-V']])('%s', async (flag) => {
    const { version } = JSON.parse(readFileSync(join(__dirname, '../../package.json'), 'utf8')) as {
      version: string;
    };
    expect(await line.mauth([flag])).toEqual({ exitCode: 0, stdout: `${version}\n`, stderr: '' });
  });
});

describe('A reader that has seen enough', () => {
  it('is no error', async () => {
    const words = [...mauthWords(), '--help'].map((word) => `'${word}'`).join(' ');
    const { exitCode, stderr } = await line.run(['bash', '-c', `set -o pipefail; ${words} | true`]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
  });
});
