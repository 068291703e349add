/** Whether the request that follows a redirect is a GET without a body (RFC 9110, section 15.4, and the fetch standard). */
export function becomesGet(status: number, method: string): boolean {
  // A POST may become a GET at 301 and 302; at 303 all but HEAD do.
  return (
    ((status === 301 || status === 302) && method === 'POST') ||
    (status === 303 && !/^(GET|HEAD)$/.test(method))
  );
}

/** What is not for another origin; the names are in lower case. follow-redirects, axios and undici hold it back too. */
export const CREDENTIALS: readonly string[] = ['authorization', 'proxy-authorization', 'cookie'];
