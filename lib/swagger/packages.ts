import { requirePackages } from '../config/packages.js';

if (typeof require === 'function') {
  requirePackages('nestjs-mauth/swagger', {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    '@nestjs/swagger': () => void require('@nestjs/swagger'),
  });
}
