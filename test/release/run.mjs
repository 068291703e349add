/**
 * What has to be right before a version is tagged. It prints each check with what to do where it fails, and leaves the
 * bill of materials in reports/sbom.cdx.json.
 *
 *   npm run check:release                        all of it; builds
 *   npm run check:release -- --tag v1.0.0        also that the tag is that of the version
 *   npm run check:release -- version changelog   only these
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { componentsOf, output, sbomDifferences, sbomOf } from './sbom.mjs';

const ROOT = fileURLToPath(new URL('../..', import.meta.url));
const DOCUMENTS = [
  'package.json',
  'README.md',
  'LICENSE',
  'CHANGELOG.md',
  'SECURITY.md',
  'dist/LICENSES.txt',
];
const BUILT = /^dist\/(?:.+\/)?(?:[^/]+\.(?:[cm]?js|d\.[cm]?ts)(?:\.map)?|package\.json)$/;
const FOR_TESTS = /\.(?:spec|test|soak)\.|(?:^|\/)(?:tests?|__tests__|fixtures)\//;

const text = (...path) => readFileSync(join(ROOT, ...path), 'utf8');
const json = (...path) => JSON.parse(text(...path));
const manifest = json('package.json');
const { version } = manifest;

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { tag: { type: 'string' } },
});

/** A check that failed: what is wrong, and what to do. */
class Wrong extends Error {
  constructor(what, remedy) {
    super(what);
    this.remedy = remedy;
  }
}

function checkVersion() {
  const [, constant] = /VERSION = '([^']*)'/.exec(text('lib/config/version.ts')) ?? [];
  const lock = json('package-lock.json');
  const others = {
    'lib/config/version.ts': constant,
    'package-lock.json': lock.version,
    'package-lock.json (packages)': lock.packages[''].version,
  };
  for (const [place, other] of Object.entries(others))
    if (other !== version)
      throw new Wrong(
        `package.json says ${version}, ${place} says ${other}`,
        `npm version --no-git-tag-version <version>, and the same in lib/config/version.ts`,
      );
  if (values.tag !== undefined && values.tag !== `v${version}`)
    throw new Wrong(`the tag is ${values.tag}`, `tag v${version}, or set the version that you mean`);
  return `${version} in package.json, package-lock.json and lib/config/version.ts`;
}

/** Second-level headings of the changelog with what stands below each. */
function sections() {
  return text('CHANGELOG.md')
    .split(/^## /m)
    .slice(1)
    .map((section) => {
      const [heading, ...lines] = section.split('\n');
      return { heading: heading.trim(), lines: lines.filter((line) => /^(?!#)\S/.test(line)).length };
    });
}

function checkChangelog() {
  const all = sections();
  const unreleased = all.find(({ heading }) => /^\[?Unreleased\]?$/i.test(heading));
  const released = all.filter((section) => section !== unreleased);
  const example = `## ${version} - ${new Date().toISOString().slice(0, 10)}`;
  const [, number, date] = /^\[?([^\]\s]+)\]?(?: - (.*))?$/.exec(released[0]?.heading ?? '') ?? [];
  if (number !== version)
    throw new Wrong(
      `the newest section of CHANGELOG.md is "${released[0]?.heading}", not ${version}`,
      `put what is below "## Unreleased" below "${example}"`,
    );
  if (!isDate(date))
    throw new Wrong(`the section of ${version} has no date, or one to come`, `write "${example}"`);
  if (released[0].lines === 0)
    throw new Wrong(`the section of ${version} is empty`, 'say what a user notices');
  if (unreleased && unreleased.lines > 0)
    throw new Wrong(
      `"Unreleased" is not empty`,
      `move them to the section of ${version}: they are released with it`,
    );
  return `${version} of ${date}, ${released[0].lines} lines, nothing unreleased`;
}

/** A day as `2026-11-27` that has begun somewhere. */
function isDate(date) {
  if (!/^\d{4}-\d\d-\d\d$/.test(date ?? '')) return false;
  const time = Date.parse(`${date}T00:00:00Z`);
  if (Number.isNaN(time) || new Date(time).toISOString().slice(0, 10) !== date) return false;
  return time <= Date.now() + 14 * 3_600_000;
}

function checkRepository() {
  const { repository } = manifest;
  const url = typeof repository === 'string' ? repository : repository?.url;
  if (!url)
    throw new Wrong(
      'package.json names no repository, and the registry refuses provenance without it',
      '"repository": { "type": "git", "url": "git+https://…" }, the one in which the release workflow runs; homepage, bugs and author beside it',
    );
  return url;
}

function checkApi() {
  try {
    return output('npm', ['run', '--silent', 'api'], ROOT).trim().split('\n').at(-1);
  } catch (error) {
    throw new Wrong(error.message, 'npm run api -- --write, and look at what changes');
  }
}

/** Each file that package.json leads to. */
function targets(value = [manifest.main, manifest.module, manifest.types, manifest.bin, manifest.exports]) {
  if (value === undefined || value === null) return [];
  if (typeof value === 'string') return [value.replace(/^\.\//, '')];
  return Object.values(value).flatMap(targets);
}

/** Packs what is built, and gives it to `use`. */
function withTarball(use) {
  const folder = mkdtempSync(join(tmpdir(), 'nestjs-mauth-release-'));
  try {
    const [{ filename, files, unpackedSize }] = JSON.parse(
      output('npm', ['pack', '--json', '--ignore-scripts', '--pack-destination', folder], ROOT),
    );
    return use({
      path: join(folder, filename),
      files: files.map((file) => file.path),
      unpackedSize,
    });
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

function checkTarball() {
  return withTarball(({ files, unpackedSize }) => {
    const wanted = [...new Set([...DOCUMENTS, ...targets()])];
    const missing = wanted.filter((path) => !files.includes(path));
    if (missing.length > 0)
      throw new Wrong(
        `the tarball lacks ${missing.join(', ')}`,
        'npm run build; see "files" in package.json',
      );
    const others = files.filter(
      (path) => FOR_TESTS.test(path) || (!DOCUMENTS.includes(path) && !BUILT.test(path)),
    );
    if (others.length > 0)
      throw new Wrong(
        `the tarball also holds ${others.slice(0, 5).join(', ')}${others.length > 5 ? ', …' : ''}`,
        'keep out of dist/ what is not built from lib/; see "files" in package.json',
      );
    return `${files.length} files, ${(unpackedSize / 1e6).toFixed(2)} MB unpacked`;
  });
}

function checkSbom() {
  return withTarball(({ path }) => {
    let made;
    try {
      made = sbomOf(path);
    } catch (error) {
      throw new Wrong(error.message, 'what package.json depends on must be there to be installed');
    }
    const differences = sbomDifferences(made);
    if (differences.length > 0)
      throw new Wrong(`the SBOM ${differences.join(', ')}`, 'compare npm sbom and npm ls in a fresh install');
    mkdirSync(join(ROOT, 'reports'), { recursive: true });
    writeFileSync(join(ROOT, 'reports/sbom.cdx.json'), made.text);
    return `${componentsOf(made.sbom).join(', ')} (reports/sbom.cdx.json)`;
  });
}

/** In this order: the reports need a build, and make it; the tarball is packed from it. */
const CHECKS = {
  version: checkVersion,
  changelog: checkChangelog,
  repository: checkRepository,
  api: checkApi,
  tarball: checkTarball,
  sbom: checkSbom,
};

const unknown = positionals.filter((name) => !Object.hasOwn(CHECKS, name));
if (unknown.length > 0) {
  console.error(`${unknown.join(', ')}: expected ${Object.keys(CHECKS).join(', ')}`);
  process.exit(2);
}
let failed = 0;
for (const [name, check] of Object.entries(CHECKS)) {
  if (positionals.length > 0 && !positionals.includes(name)) continue;
  try {
    console.log(`ok      ${name}: ${check()}`);
  } catch (error) {
    failed++;
    console.log(`FAILED  ${name}: ${error.message}`);
    if (error.remedy) console.log(`        to do: ${error.remedy}`);
  }
}
console.log(failed === 0 ? `\nReady to tag v${version}.` : `\n${failed} to put right.`);
process.exitCode = failed === 0 ? 0 : 1;
