import { type HandlerPlace } from './access-policy.js';

/** What decorators say at handlers, each read once: decorators do not change. */
export class PerHandler<Value extends object | boolean> {
  readonly #values = new WeakMap<object, WeakMap<object, Value>>();
  readonly #read: (place: HandlerPlace) => Value;

  constructor(read: (place: HandlerPlace) => Value) {
    this.#read = read;
  }

  /** @throws what `read` throws */
  of({ controller, handler }: HandlerPlace): Value {
    let ofController = this.#values.get(controller);
    if (!ofController) this.#values.set(controller, (ofController = new WeakMap()));
    let value = ofController.get(handler);
    if (value === undefined) ofController.set(handler, (value = this.#read({ controller, handler })));
    return value;
  }
}
