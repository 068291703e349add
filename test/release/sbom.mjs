/**
 * The bill of materials of what a user installs. It is made in a project of its own, from the packed tarball: in a
 * checkout, `npm sbom --omit dev` leaves out each dependency that a development dependency asks for as well, and where
 * node_modules is a symbolic link it finds nothing at all.
 */
import { execFileSync } from 'node:child_process';
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';

/** Output of a command. Where it fails, its error is what it wrote to stderr. */
export function output(command, args, cwd) {
  try {
    return execFileSync(command, args, {
      cwd,
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'pipe'],
      maxBuffer: 64 * 1024 * 1024,
    });
  } catch (error) {
    const said = `${error.stderr ?? ''}`.trim() || `${error.stdout ?? ''}`.trim() || error.message;
    throw new Error(`${command} ${args.join(' ')}: ${said}`);
  }
}

/** `name@version` of all that `npm ls --all --json` shows. Optional peers that are not there have no version. */
export function installedPackages({ dependencies = {} }) {
  return [
    ...new Set(
      Object.entries(dependencies).flatMap(([name, child]) => [
        ...(child.version ? [`${name}@${child.version}`] : []),
        ...installedPackages(child),
      ]),
    ),
  ].sort();
}

/** `name@version` of the components. */
export function componentsOf({ components = [] }) {
  return [...new Set(components.map(({ name, version }) => `${name}@${version}`))].sort();
}

/** What one has and the other has not, and dependencies of the manifest that neither has; empty when all is well. */
export function sbomDifferences({ manifest, sbom, tree }) {
  const components = componentsOf(sbom);
  const installed = installedPackages(tree);
  const isThere = (name) => components.some((component) => component.startsWith(`${name}@`));
  return [
    ...installed.filter((name) => !components.includes(name)).map((name) => `lacks ${name}`),
    ...components.filter((name) => !installed.includes(name)).map((name) => `has ${name}, not installed`),
    ...Object.keys(manifest.dependencies ?? {})
      .filter((name) => !isThere(name))
      .map((name) => `lacks the dependency ${name}`),
  ];
}

/** Installs what the tarball depends on, as for a user, and asks npm for both lists. */
export function sbomOf(tarball) {
  const parent = mkdtempSync(join(tmpdir(), 'nestjs-mauth-sbom-'));
  // npm names the SBOM's subject by the folder.
  const folder = join(parent, 'nestjs-mauth');
  try {
    mkdirSync(folder);
    output('tar', ['-xzf', tarball, '--strip-components=1', '-C', folder], folder);
    const file = join(folder, 'package.json');
    const manifest = JSON.parse(readFileSync(file, 'utf8'));
    // Nobody who installs the package gets these, and npm would look all of them up.
    delete manifest.devDependencies;
    writeFileSync(file, JSON.stringify(manifest));
    output('npm', ['install', '--ignore-scripts', '--no-audit', '--no-fund'], folder);
    const text = output(
      'npm',
      ['sbom', '--omit', 'dev', '--sbom-format', 'cyclonedx', '--sbom-type', 'library'],
      folder,
    );
    const tree = JSON.parse(output('npm', ['ls', '--omit', 'dev', '--all', '--json'], folder));
    return { manifest, tree, text, sbom: JSON.parse(text) };
  } finally {
    rmSync(parent, { recursive: true, force: true });
  }
}
