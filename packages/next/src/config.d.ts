export declare function withPalisade<C extends object>(config?: C, options?: { policy?: string; directory?: string }): C;
export declare function securityHeaders(options?: { https?: boolean }): { key: string; value: string }[];
