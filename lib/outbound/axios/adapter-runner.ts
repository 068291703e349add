import { type AxiosInstance, type AxiosResponse, type RequestConfig } from './axios-types.js';

/** An axios without defaults and without interceptors: builds URLs and runs adapters, nothing else. */
export interface AdapterRunner {
  /** The URL that axios makes of these parts; nothing is encoded that axios would not encode. */
  getUri(parts: Partial<RequestConfig>): string;
  /** Lets axios choose the config's adapter and run it on the config as it stands. */
  send(config: RequestConfig): Promise<AxiosResponse>;
  /** An error of axios' own class. */
  error(message: string, code: string, { config, request }: AxiosResponse): Promise<Error>;
}

type AxiosErrorClass = new (message: string, code: string, config: RequestConfig, request: unknown) => Error;

/** Carries a config past axios' merging, which copies plain objects but leaves instances of classes alone. */
class RawConfig {
  constructor(readonly config: RequestConfig) {}
}

/**
 * Makes it of an instance rather than of an imported axios: so it is the same copy of axios, with the same adapters
 * and the same error classes as the instance's own.
 */
export function adapterRunner(instance: AxiosInstance): AdapterRunner {
  const bare = instance.create();
  for (const name of Object.keys(bare.defaults)) Reflect.deleteProperty(bare.defaults, name);
  bare.interceptors.request.use((carrier) => (carrier as unknown as { finished: RawConfig }).finished.config);
  return {
    getUri: (parts) => bare.getUri(parts),
    send: (config) => bare.request({ finished: new RawConfig(config) } as object),
    error: async (message, code, { config, request }) => {
      // Instances do not have the class, but they throw it where there is no such adapter.
      const thrown: unknown = await bare
        .request({ finished: new RawConfig({ adapter: 'none' } as never) } as object)
        .catch((error: unknown) => error);
      const ErrorClass = (thrown as { constructor: AxiosErrorClass }).constructor;
      return new ErrorClass(message, code, config, request);
    },
  };
}
