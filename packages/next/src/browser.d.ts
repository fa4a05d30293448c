export interface CsrfFetchOptions {
  path?: string;
  header?: string;
  fetch?: typeof fetch;
}
export declare function createCsrfFetch(options?: CsrfFetchOptions): (input: string | URL | Request, init?: RequestInit) => Promise<Response>;
export declare function csrfFetch(input: string | URL | Request, init?: RequestInit): Promise<Response>;
