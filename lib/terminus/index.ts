import './packages.js';
export { MAuthHealthIndicator, type MAuthHealth, type MAuthHealthOptions } from './mauth-health-indicator.js';
