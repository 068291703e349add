import { requirePackages, type LoadedPackages } from '../config/packages.js';

/** What the front door for Nest needs. */
const PACKAGES: LoadedPackages = {
  /* eslint-disable @typescript-eslint/no-require-imports */
  '@nestjs/common': () => void require('@nestjs/common'),
  '@nestjs/core': () => void require('@nestjs/core'),
  'reflect-metadata': () => void require('reflect-metadata'),
  rxjs: () => void require('rxjs'),
  /* eslint-enable @typescript-eslint/no-require-imports */
};

if (typeof require === 'function') {
  requirePackages(
    'nestjs-mauth',
    PACKAGES,
    "Without Nest import 'nestjs-mauth/core', which needs none of them.",
  );
}
