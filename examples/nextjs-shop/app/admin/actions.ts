'use server';

import { record } from '../../lib/journal';

/**
 * Deliberately without a check of its own: it stands for the many actions whose authors
 * believe that only their page can call them. Next runs it from any path.
 */
export async function restock(form?: FormData): Promise<void> {
  record('restock', { amount: String(form?.get?.('amount') ?? '') });
}
