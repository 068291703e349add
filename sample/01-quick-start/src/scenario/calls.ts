import { createHash, randomBytes } from 'node:crypto';
import { MAuthSigner } from 'nestjs-mauth/core';
import { StudiesClient } from '../client/studies.client.js';
import { createApp, type RegisteredApp } from '../registered-app.js';
import { type Services } from '../services.js';
import { type Call } from './call.js';
import { plainFetch, signedFetch } from './signed-fetch.js';

/** The calls of the sample, in the order of the table. */
export function callsOf(services: Services): Call[] {
  return [...authentic(services), ...refused(services)];
}

function authentic({ studiesUrl, client, reporting, clientApp }: Services): Call[] {
  const signer = signerOf(clientApp);
  const list = { method: 'GET', url: `${studiesUrl}/studies?page=2` };
  const document = randomBytes(100_000);
  return [
    {
      title: 'signed V1',
      expected: { status: 200, why: 'valid MWS signature', answer: { protocolVersion: 1, page: '2' } },
      send: () => signedFetch(signer, list, { signVersions: 'v1' }),
    },
    {
      title: 'signed V2',
      expected: { status: 200, why: 'valid MWSV2 signature', answer: { protocolVersion: 2, page: '2' } },
      send: () => signedFetch(signer, list, { signVersions: 'v2' }),
    },
    {
      title: 'signed V1 and V2, by MAuthHttpService',
      expected: {
        status: 200,
        why: 'valid MWSV2 signature beside MWS',
        answer: { protocolVersion: 2, askedBy: clientApp.appUuid },
      },
      send: () => client.get(StudiesClient).list(2),
    },
    {
      title: 'JSON body',
      expected: { status: 201, why: 'body is covered', answer: { name: 'Mediflex' } },
      send: () => client.get(StudiesClient).create('Mediflex'),
    },
    {
      title: 'upload of 100,000 bytes',
      expected: {
        status: 201,
        why: 'every byte is covered, whatever the content type',
        answer: { bytes: document.length, sha256: createHash('sha256').update(document).digest('hex') },
      },
      send: () => client.get(StudiesClient).upload('protocol.pdf', document),
    },
    {
      title: 'restricted route, allowed app',
      expected: { status: 200, why: 'app is among `apps`', answer: { events: 0 } },
      send: () => reporting.get(StudiesClient).safetyReport(),
    },
    {
      title: 'public route, unsigned',
      expected: { status: 200, why: '@Public()', answer: { status: 'up' } },
      send: () => plainFetch({ method: 'GET', url: `${studiesUrl}/app_status` }),
    },
  ];
}

function refused({ studiesUrl, client, clientApp }: Services): Call[] {
  const signer = signerOf(clientApp);
  const list = { method: 'GET', url: `${studiesUrl}/studies?page=2` };
  const create = { method: 'POST', url: `${studiesUrl}/studies`, body: '{"name":"Mediflex"}' };
  const tenMinutesAgo = Math.floor(Date.now() / 1000) - 600;
  return [
    {
      title: 'unsigned',
      expected: { status: 401, why: 'missing_headers' },
      send: () => plainFetch(list),
    },
    {
      title: 'body changed after signing',
      expected: { status: 401, why: 'signature_mismatch' },
      send: () =>
        signedFetch(signer, create, { signVersions: 'v1,v2', instead: { body: '{"name":"Other"}' } }),
    },
    {
      title: 'query changed after signing (V2)',
      expected: { status: 401, why: 'signature_mismatch' },
      send: () =>
        signedFetch(signer, list, { signVersions: 'v2', instead: { url: `${studiesUrl}/studies?page=1` } }),
    },
    {
      title: 'signed ten minutes ago',
      expected: { status: 401, why: 'time_out_of_range' },
      send: () => signedFetch(signer, list, { signVersions: 'v2', time: tenMinutesAgo }),
    },
    {
      title: 'app that the MAuth service does not know',
      expected: { status: 401, why: 'unknown_app' },
      send: () => signedFetch(signerOf(createApp()), list, { signVersions: 'v2' }),
    },
    {
      title: 'restricted route, other app',
      expected: { status: 403, why: 'app_not_allowed' },
      send: () => client.get(StudiesClient).safetyReport(),
    },
  ];
}

function signerOf({ appUuid, privateKey }: RegisteredApp): MAuthSigner {
  return new MAuthSigner({ appUuid, privateKey });
}
