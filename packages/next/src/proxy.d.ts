export interface ProxyOptions {
  /** Beginnings of paths whose handlers carry wrappers of their own: `/api/`, `/contact`. */
  leave?: string[];
}
export declare function createProxy(options?: ProxyOptions): (request: Request) => Promise<Response>;
