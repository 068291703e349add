import { MAuthSigner } from 'nestjs-mauth/core';
import { type Services } from './services.js';

/** Commands to try against the running services. The signed ones hold for five minutes. */
export async function curlLines({ studiesUrl, clientUrl, clientApp }: Services): Promise<string> {
  const url = `${studiesUrl}/studies?page=2`;
  const { appUuid, privateKey } = clientApp;
  const signer = new MAuthSigner({ appUuid, privateKey, signVersions: 'v2' });
  const headers = await signer.signRequest({ method: 'GET', url });
  const flags = Object.entries(headers).map(([name, value]) => `-H '${name}: ${value}'`);
  return [
    '# Public:',
    `curl -i '${studiesUrl}/app_status'`,
    '# Refused, because nobody signed it:',
    `curl -i '${url}'`,
    '# The client service signs and asks for you:',
    `curl -i '${clientUrl}/overview?page=2'`,
    '# Signed for you, for five minutes:',
    `curl -i '${url}' ${flags.join(' ')}`,
    '# The same signature on another page is refused:',
    `curl -i '${studiesUrl}/studies?page=3' ${flags.join(' ')}`,
  ].join('\n');
}
