import { type DiscoveryService } from '@nestjs/core';
import { ownProperty } from '../protocol/own-properties.js';

/** What Nest knows of one provider or controller. */
export type ProviderWrapper = ReturnType<DiscoveryService['getProviders']>[number];

/** Whether it is a class that Nest makes an instance of; others have a factory there, or nothing. */
export function isClass(wrapper: Pick<ProviderWrapper, 'metatype' | 'inject'>): boolean {
  return typeof wrapper.metatype === 'function' && !ownProperty(wrapper, 'inject');
}
