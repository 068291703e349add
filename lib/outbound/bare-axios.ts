import { type AxiosInstance, type AxiosResponse, type RequestConfig } from './axios-types.js';

/** An axios without defaults and without anybody's interceptors: builds URLs and runs adapters, nothing else. */
export interface BareAxios {
  /** The URL that axios makes of these parts; nothing is encoded that axios would not encode. */
  getUri(parts: Partial<RequestConfig>): string;
  /** Lets axios choose the config's adapter and run it on the config as it stands. */
  send(config: RequestConfig): Promise<AxiosResponse>;
}

/** Carries a config past axios' merging, which copies plain objects but leaves instances of classes alone. */
class Finished {
  constructor(readonly config: RequestConfig) {}
}

/**
 * Makes it of an instance rather than of an imported axios: so it is the same copy of axios, with the same adapters
 * and the same error classes as the instance's own.
 */
export function bareAxios(instance: AxiosInstance): BareAxios {
  const bare = instance.create();
  for (const name of Object.keys(bare.defaults)) Reflect.deleteProperty(bare.defaults, name);
  bare.interceptors.request.use((carrier) => (carrier as unknown as { finished: Finished }).finished.config);
  return {
    getUri: (parts) => bare.getUri(parts),
    send: (config) => bare.request({ finished: new Finished(config) } as object),
  };
}
