'use client';

import { useMemo } from 'react';
import { createCsrfFetch, csrfFetch } from './browser.js';

/** `{ csrfFetch }` for a component; with options of its own where the policy's names differ from the usual ones. */
export function useCsrf(options) {
  const { path, header } = options ?? {};
  return useMemo(() => ({ csrfFetch: options ? createCsrfFetch({ path, header }) : csrfFetch }), [path, header, !options]);
}
