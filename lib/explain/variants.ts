import { type ExplainCause } from './causes.js';

/** One value that a part of the string to sign may have had at the sender, and the mistakes that lead to it. */
export interface Variant<T = string> {
  readonly value: T;
  readonly causes: readonly ExplainCause[];
}

/** A mistake of a sender, or a change on the way: what was signed, made of what was received. */
export interface Change<T = string> {
  readonly code: ExplainCause;
  /** Undefined where it does not apply. May throw where it does not apply either. */
  readonly apply: (value: T) => T | undefined;
}

/**
 * The likelier a change, the earlier it stands. Values that several ways lead to are kept by the shortest.
 *
 * @param depth how many changes may come together
 * @param until milliseconds since 1970: what has not been made by then is left out
 */
export function variantsOf<T>(
  base: T,
  changes: readonly Change<T>[],
  depth: number,
  keyOf: (value: T) => string,
  until = Infinity,
): Variant<T>[] {
  const variants: Variant<T>[] = [{ value: base, causes: [] }];
  const seen = new Set([keyOf(base)]);
  let from = 0;
  for (let round = 0; round < depth; round++) {
    const end = variants.length;
    for (; from < end; from++) {
      const { value, causes } = variants[from];
      for (const { code, apply } of changes) {
        if (causes.includes(code)) continue;
        if (Date.now() > until) return variants;
        const changed = attempt(apply, value);
        if (changed === undefined || seen.has(keyOf(changed))) continue;
        seen.add(keyOf(changed));
        variants.push({ value: changed, causes: [...causes, code] });
      }
    }
  }
  return variants;
}

function attempt<T>(apply: (value: T) => T | undefined, value: T): T | undefined {
  try {
    return apply(value);
  } catch {
    return undefined;
  }
}

/** One variant for each value, the one with the fewest causes; few causes first, otherwise in order. */
export function shortestFirst(variants: readonly Variant[]): Variant[] {
  const best = new Map<string, Variant>();
  for (const variant of [...variants].sort((a, b) => a.causes.length - b.causes.length)) {
    if (!best.has(variant.value)) best.set(variant.value, variant);
  }
  return [...best.values()];
}
