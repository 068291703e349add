import { accessPolicyOf, type AccessPolicy, type AppNames } from './access-policy.js';
import { PerHandler } from './handler-cache.js';

/** The policies of all handlers. */
export class AccessPolicies extends PerHandler<AccessPolicy> {
  /**
   * `of` throws as `accessPolicyOf`.
   *
   * @param names for app UUIDs, as in the option `apps`
   */
  constructor(names: AppNames) {
    super((place) => accessPolicyOf(place, names));
  }
}
