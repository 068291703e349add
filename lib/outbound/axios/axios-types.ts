import { type HttpService } from '@nestjs/axios';

/*
 * Types of axios, taken from where @nestjs/axios takes them: an application may hold two copies of axios (CommonJS
 * and ES module), and types imported from our own copy would not fit the instance that it injects.
 */

/** An axios instance: callable, with defaults and interceptors of its own. */
export type AxiosInstance = HttpService['axiosRef'];

type RequestInterceptor = NonNullable<Parameters<AxiosInstance['interceptors']['request']['use']>[0]>;

/**
 * Any axios instance, whichever copy of axios it comes from: axios' types for CommonJS and for ES modules do not fit
 * each other, so that only what is needed is asked for.
 */
export interface MAuthAxiosInstance {
  create: (config?: never) => unknown;
  interceptors: {
    request: { use: (onFulfilled: never) => number; eject: (id: number) => void };
  };
}

/** The config of one request, merged with the instance's defaults: what interceptors and adapters see. */
export type RequestConfig = Parameters<RequestInterceptor>[0];

/**
 * A config that says how the response is authenticated. axios' own types know nothing of `mauth`, so give the config
 * this type before it is passed on.
 *
 * @example
 * const config: MAuthRequestConfig = { timeout: 1000, mauth: { expectAppUuid } };
 * const response = await this.http.axiosRef.get('/studies', config);
 */
export type MAuthRequestConfig<Config = NonNullable<Parameters<HttpService['axiosRef']['request']>[0]>> =
  Config & {
    /** For this request alone. */
    mauth?: MAuthRequestOptions;
  };

/** What `adapter` may hold: a name, a function, or a list of them. */
export type AdapterChoice = RequestConfig['adapter'];

/** Sends one request. */
export type Adapter = (config: RequestConfig) => Promise<AxiosResponse>;

type ResponseInterceptor = NonNullable<Parameters<AxiosInstance['interceptors']['response']['use']>[0]>;

/** An axios response. */
export type AxiosResponse = Parameters<ResponseInterceptor>[0];

/** `mauth` in the config of one request: instead of what the instance was made with. */
export interface MAuthRequestOptions {
  /** Authenticate the response. Setting `expectAppUuid` implies it. */
  authenticateResponse?: boolean;
  /** The app that must have signed the response. */
  expectAppUuid?: string;
}
