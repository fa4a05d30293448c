import type { csrfFetch } from './browser.js';
export declare function useCsrf(options?: { path?: string; header?: string }): { csrfFetch: typeof csrfFetch };
