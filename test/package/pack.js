const { execFileSync } = require('node:child_process');
const { existsSync, mkdirSync } = require('node:fs');
const { join } = require('node:path');

const root = join(__dirname, '../..');

/** Packs what was built, once for all tests of the package. */
module.exports = function pack() {
  if (!existsSync(join(root, 'dist/esm/package.json'))) throw new Error('Build first: npm run build');
  const folder = join(root, 'reports');
  mkdirSync(folder, { recursive: true });
  const args = ['pack', '--json', '--ignore-scripts', '--pack-destination', folder];
  const [{ filename }] = JSON.parse(execFileSync('npm', args, { cwd: root, encoding: 'utf8' }));
  process.env.MAUTH_TARBALL = join(folder, filename);
};
