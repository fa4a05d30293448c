import { appendFileSync } from 'node:fs';

/**
 * Appends one JSON line to the file named by SIDE_EFFECT_LOG, if it is set.
 *
 * A status says little about what ran: Next answers 404 to some requests whose action it
 * has executed. Tests therefore judge by this file. The write is synchronous so that the
 * line is there before the answer is.
 */
export function record(effect: string, detail: Record<string, string> = {}): void {
  const file = process.env.SIDE_EFFECT_LOG;
  if (!file) return;
  appendFileSync(file, `${JSON.stringify({ effect, ...detail })}\n`);
}
