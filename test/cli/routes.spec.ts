import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { CommandLine } from '../support/command-line.js';

const APP = join(__dirname, 'routes-app.ts');
const OTHER = '836a454e-7f14-4192-8f5a-2a9d3d66f70c';
const line = new CommandLine();
afterAll(() => line.remove());

const DECORATED = `
ALL   /any                open                              PlainController.any
PUT   /guarded            required                          PlainController.guarded
PUT   /guarded-too        required                          PlainController.guarded
GET   /health             open                              PlainController.health
GET   /plain              open                              PlainController.plain
GET   /public             open                              PlainController.open
POST  /studies            required (rave)                   StudiesController.add
GET   /studies/:id        required (${OTHER}, rave)         StudiesController.one
GET   /studies/inherited  required (${OTHER}, rave)         StudiesController.inherited
GET   /studies/optional   optional (${OTHER}, rave)         StudiesController.optional
`;
const lines = (table: string) =>
  table
    .trim()
    .split('\n')
    .map((row) => row.replace(/ {2,}/g, '  '));
const protectionOf = (table: string, path: string) =>
  lines(table)
    .find((row) => row.split('  ')[1] === path)
    ?.split('  ')[2];

describe('mauth routes', () => {
  it('lists every route, in an order of its own', async () => {
    const { exitCode, stdout, stderr } = await line.mauth(['routes', APP]);
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    expect(lines(stdout)).toEqual(lines(DECORATED));
  });

  it.each([
    [
      'routes',
      {
        '/plain': 'required',
        '/health': 'required',
        '/public': 'open',
        '/guarded': 'required',
        '/any': 'required',
      },
    ],
    ['everything', { '/plain': 'required', '/health': 'open', '/public': 'open', '/guarded': 'required' }],
  ])('says what `protect: %s` makes of them', async (protect, expected) => {
    const { exitCode, stdout, stderr } = await line.mauth(['routes', APP], { env: { PROTECT: protect } });
    expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: '' });
    for (const [path, protection] of Object.entries(expected)) {
      expect([path, protectionOf(stdout, path)]).toEqual([path, protection]);
    }
  });

  it('has the global prefix that it is told', async () => {
    const { stdout } = await line.mauth(['routes', APP, '--prefix', 'api'], { env: { PROTECT: 'routes' } });
    expect(protectionOf(stdout, '/api/plain')).toBe('required');
  });

  it('prints JSON', async () => {
    const { stdout } = await line.mauth(['routes', APP, '--json']);
    expect(JSON.parse(stdout)).toContainEqual({
      method: 'POST',
      path: '/studies',
      handler: 'StudiesController.add',
      protection: 'required',
      apps: ['rave'],
    });
  });

  it('writes a list, and tells with 7 what has changed since', async () => {
    expect(await line.mauth(['routes', APP, '--write', 'routes.txt'])).toMatchObject({
      exitCode: 0,
      stdout: '',
    });
    expect(lines(readFileSync(join(line.folder, 'routes.txt'), 'utf8'))).toEqual(lines(DECORATED));
    const same = await line.mauth(['routes', APP, '--check', 'routes.txt']);
    expect(same).toEqual({ exitCode: 0, stdout: '', stderr: '' });
    const changed = await line.mauth(['routes', APP, '--check', 'routes.txt'], {
      env: { PROTECT: 'routes' },
    });
    expect(changed.exitCode).toBe(7);
    expect(changed.stdout).toBe(
      [
        '- ALL  /any  open  PlainController.any',
        '+ ALL  /any  required  PlainController.any',
        '- GET  /health  open  PlainController.health',
        '+ GET  /health  required  PlainController.health',
        '- GET  /plain  open  PlainController.plain',
        '+ GET  /plain  required  PlainController.plain',
        '',
      ].join('\n'),
    );
    expect(changed.stderr).toContain('--write routes.txt');
  });

  it.each([
    ['no such file', ['nowhere.js'], 3, /nowhere\.js cannot be loaded: Cannot find module/],
    ['no module in it', ['empty.js'], 2, /exports no AppModule/],
    ['no MAuthModule', ['bare.js'], 3, /has no MAuthModule: import MAuthModule\.forRoot\(\)/],
    ['an application that does not start', ['broken.js'], 3, /The application does not start: .*`appUuid`/],
    ['both', [APP, '--check', 'a', '--write', 'b'], 2, /Either --check or --write/],
    [
      'nothing to compare with',
      [APP, '--check', 'nowhere.txt'],
      2,
      /cannot be read \(ENOENT\): nowhere\.txt; --write/,
    ],
    ['nowhere to write', [APP, '--write', '.'], 2, /cannot be written \(EISDIR\)/],
    ['no file named', [], 2, /missing required argument 'module'/],
  ])('says what is wrong: %s', async (_name, args, exitCode, text) => {
    // Where packages are found as here.
    const nest = join(__dirname, '../../node_modules/@nestjs/common');
    const head = `require('reflect-metadata'); const { Module } = require(${JSON.stringify(nest)}); exports.AppModule = class AppModule {};`;
    line.write('empty.js', '');
    line.write('bare.js', `${head} Module({})(exports.AppModule);`);
    const library = JSON.stringify(join(__dirname, '../../lib/index.ts'));
    line.write(
      'broken.js',
      `${head} const { MAuthModule } = require(${library}); Module({ imports: [MAuthModule.forRoot({ appUuid: 'x' })] })(exports.AppModule);`,
    );
    line.link('node_modules', join(__dirname, '../../node_modules'));
    const ended = await line.mauth(['routes', ...args]);
    expect({ exitCode: ended.exitCode, stdout: ended.stdout }).toEqual({ exitCode, stdout: '' });
    expect(ended.stderr).toMatch(text);
  });
});
