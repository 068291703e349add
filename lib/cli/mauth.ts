#!/usr/bin/env node
import { VERSION } from '../config/version.js';

const args = process.argv.slice(2);
// Asked for most often, by scripts: nothing else is loaded for it.
if (args.length === 1 && (args[0] === '--version' || args[0] === '-V')) {
  process.stdout.write(`${VERSION}\n`);
} else {
  void import('./run.js').then(({ run }) => run(args));
}
