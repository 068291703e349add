import { requirePackages } from '../config/packages.js';

if (typeof require === 'function') {
  requirePackages('nestjs-mauth/opentelemetry', {
    // eslint-disable-next-line @typescript-eslint/no-require-imports
    '@opentelemetry/api': () => void require('@opentelemetry/api'),
  });
}
