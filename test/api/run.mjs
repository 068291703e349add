/**
 * The public surface: every export of every entry point with its type, one report for each, in this folder.
 *
 *   npm run api              compares the reports with what the build exports now, and fails where they differ
 *   npm run api -- --write   writes them
 */
import { mkdirSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { Extractor, ExtractorConfig } from '@microsoft/api-extractor';

const HERE = dirname(fileURLToPath(import.meta.url));
const ROOT = join(HERE, '../..');
const { values } = parseArgs({ options: { write: { type: 'boolean', default: false } } });
const manifest = JSON.parse(readFileSync(join(ROOT, 'package.json'), 'utf8'));

/** Name of the report → declarations of the entry point. */
const ENTRIES = Object.entries(manifest.exports)
  .filter(([, target]) => typeof target === 'object')
  .map(
    ([
      subpath,
      {
        require: { types },
      },
    ]) => [subpath === '.' ? 'index' : subpath.slice(2), join(ROOT, types)],
  );

const reports = join(ROOT, 'reports/api');
rmSync(reports, { recursive: true, force: true });
mkdirSync(reports, { recursive: true });

function extract([name, mainEntryPointFilePath]) {
  const config = ExtractorConfig.prepare({
    configObject: {
      projectFolder: ROOT,
      mainEntryPointFilePath,
      compiler: { tsconfigFilePath: join(ROOT, 'tsconfig.build.json') },
      apiReport: {
        enabled: true,
        reportFileName: `${name}.api.md`,
        reportFolder: HERE,
        reportTempFolder: reports,
      },
      docModel: { enabled: false },
      dtsRollup: { enabled: false },
      tsdocMetadata: { enabled: false },
      newlineKind: 'lf',
      messages: {
        extractorMessageReporting: {
          default: { logLevel: 'none' },
          // A signature that names a type which the entry point does not export.
          'ae-forgotten-export': { logLevel: 'warning', addToApiReportFile: true },
        },
        tsdocMessageReporting: { default: { logLevel: 'none' } },
        compilerMessageReporting: { default: { logLevel: 'error' } },
      },
    },
    configObjectFullPath: undefined,
    packageJsonFullPath: join(ROOT, 'package.json'),
  });
  const { apiReportChanged, errorCount } = Extractor.invoke(config, {
    localBuild: values.write,
    showVerboseMessages: false,
    messageCallback: (message) => {
      message.handled = message.logLevel !== 'error';
    },
  });
  return { name, isStale: apiReportChanged && !values.write, isBroken: errorCount > 0 };
}

const outcomes = ENTRIES.map(extract);
const known = new Set(outcomes.map(({ name }) => `${name}.api.md`));
for (const file of readdirSync(HERE)) {
  if (!file.endsWith('.api.md') || known.has(file)) continue;
  if (values.write) rmSync(join(HERE, file));
  else outcomes.push({ name: file, isStale: true });
}
for (const { name, isStale, isBroken } of outcomes) {
  if (isBroken) console.error(`${name}: the declarations do not compile`);
  else if (isStale)
    console.error(
      `${name}: the public surface differs from its report; look at it, then: npm run api -- --write`,
    );
}
console.log(`${outcomes.length} entry points compared`);
process.exitCode = outcomes.some(({ isStale, isBroken }) => isStale || isBroken) ? 1 : 0;
