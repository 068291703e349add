import { accessPolicyOf, type AccessPolicy, type AppNames, type HandlerPlace } from './access-policy.js';

/** The policies of all handlers, each read once: decorators do not change. */
export class AccessPolicies {
  readonly #names: AppNames;
  readonly #read = new WeakMap<object, WeakMap<object, AccessPolicy>>();

  /** @param names for app UUIDs, as in the option `apps` */
  constructor(names: AppNames) {
    this.#names = names;
  }

  /** @throws MAuthConfigurationError as `accessPolicyOf` */
  of({ controller, handler }: HandlerPlace): AccessPolicy {
    let ofController = this.#read.get(controller);
    if (!ofController) this.#read.set(controller, (ofController = new WeakMap()));
    let policy = ofController.get(handler);
    if (!policy) ofController.set(handler, (policy = accessPolicyOf({ controller, handler }, this.#names)));
    return policy;
  }
}
