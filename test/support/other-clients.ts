import { readFileSync } from 'node:fs';

/** A request that a public client of another language has signed. */
export interface SignedRequest {
  by: 'python' | 'ruby' | 'java' | 'go';
  version: 1 | 2;
  method: string;
  url: string;
  body_b64: string;
  headers: Record<string, string>;
  now: number;
  matches_ruby: boolean;
}

/** A file of what other clients signed. */
export interface Vectors<T> {
  app_uuid: string;
  public_key_pem: string;
  private_key_pem: string;
  cases: T[];
}

/** @param path to a file in the folder of all suites, as `describeWithSuites` gives it */
export function requestsOfOtherClients(path: (...names: string[]) => string): Vectors<SignedRequest> {
  return JSON.parse(
    readFileSync(path('vectors', 'signed-by-other-clients.json'), 'utf8'),
  ) as Vectors<SignedRequest>;
}
