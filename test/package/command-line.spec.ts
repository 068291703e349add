import { join } from 'node:path';
import { Consumer, tarball } from './consumer.js';

// The tests of the command line, with the command that the tarball installs, where nothing else is installed.
const consumer = new Consumer();
beforeAll(() => {
  consumer.install(tarball);
  process.env.MAUTH_BIN = join(consumer.folder, 'node_modules/nestjs-mauth/dist/cjs/cli/mauth.js');
});
afterAll(() => {
  delete process.env.MAUTH_BIN;
  consumer.remove();
});

describe('the command', () => {
  it.each(['mauth', 'nestjs-mauth'])('is there as %s', (name) => {
    expect(consumer.node('-p', 'require("nestjs-mauth/package.json").version')).toBe(
      consumer.shell(`npx --no-install ${name} --version`),
    );
  });
});

import '../cli/request.spec.js';
import '../cli/sign.spec.js';
import '../cli/configuration.spec.js';
import '../cli/verify-explain.spec.js';
import '../cli/keygen-serve-doctor.spec.js';
import '../cli/terminal.spec.js';
import '../cli/proxy-command.spec.js';
import '../cli/docs.spec.js';
