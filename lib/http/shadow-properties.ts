/** Puts properties in front of those that an object has. Returns what takes them away again. */
export function overlay(
  target: object,
  properties: Readonly<Record<string, PropertyDescriptor>>,
): () => void {
  const names = Object.keys(properties);
  const before = names.map((name) => Object.getOwnPropertyDescriptor(target, name));
  for (const name of names) Object.defineProperty(target, name, { ...properties[name], configurable: true });
  return () => {
    names.forEach((name, index) => {
      const descriptor = before[index];
      if (descriptor) Object.defineProperty(target, name, descriptor);
      else Reflect.deleteProperty(target, name);
    });
  };
}
