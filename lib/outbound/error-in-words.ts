import { MAuthError } from '../config/errors.js';
import { isObject, readProperty, withoutSignatures } from './signature-traces.js';

/** What can be told of an error in words: its name, message, code and stack, without all that it refers to. */
export function errorInWords(error: object): Error {
  const text = (name: string) => {
    const value = readProperty(error, name);
    return typeof value === 'string' ? withoutSignatures(value) : undefined;
  };
  const words: Error & { code?: string } = new Error(text('message'));
  words.name = text('name') ?? 'Error';
  words.stack = text('stack');
  const code = text('code');
  if (code !== undefined) words.code = code;
  return words;
}

/**
 * The cause of an error of ours: what axios, a stream or a signer fails with may hold the request, with its body and
 * query, or the response.
 */
export function causeInWords(cause: unknown): Error | undefined {
  if (cause instanceof MAuthError) return cause;
  return isObject(cause) ? errorInWords(cause) : undefined;
}

/** The name and, if there is one, the code of an error whose message may tell what was sent. */
export function kindOfError(error: unknown): string {
  const { name, code } = isObject(error)
    ? (errorInWords(error) as NodeJS.ErrnoException)
    : { name: typeof error };
  return code === undefined ? name : `${name} ${code}`;
}
