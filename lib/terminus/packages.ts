import { requirePackages } from '../config/packages.js';

if (typeof require === 'function') {
  requirePackages('nestjs-mauth/terminus', {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    '@nestjs/terminus': () => void require('@nestjs/terminus'),
  });
}
