// @palisade-gate/next: the Palisade gate inside a Next.js app, or any server that speaks fetch.

import { Core, Said } from './core.js';
import { begin, callerOf, shared } from './gate.js';
import { ConfigError } from './problems.js';
import { surroundings } from './surroundings.js';

export { failure, forbidden, invalid, notFound, unauthorized } from './errors.js';
export { configure } from './gate.js';
export { ConfigError } from './problems.js';
export { intake } from './intake.js';
export { logSecurityEvent, sendAlert } from './report.js';
export { csrfRoute, protect, withAuth, withCsrf, withErrors, withRateLimit, withValidation, withWebhook } from './wrap.js';

const ANSWERED = new WeakMap();

/** Judges policy and variables without starting anything; throws {@link ConfigError} that names every problem. */
export function validateConfig(options = {}) {
  const { said, value } = begin(new Core(), { ...surroundings(), ...options });
  if (said !== Said.Started) throw new ConfigError(value.problems ?? []);
  return { name: value.name, environment: value.environment, warnings: value.warnings };
}

/**
 * Decides a request of any server that speaks fetch: the gate's own answer, or `null` for one that may go on. Then
 * {@link protectionHeaders} has what its answer should carry. Where a handler is at hand, `handleRequest` does both,
 * and also masks errors and settles webhooks.
 */
export async function guardRequest(request, options) {
  const verdict = await shared().decide(request, options);
  if (verdict.answer) return verdict.answer;
  if (verdict.admitted) {
    const { admitted } = verdict;
    const { headers } = shared().finish(admitted, new Response(null));
    ANSWERED.set(request, { headers, caller: callerOf(new Headers(admitted.set)) });
    await shared().settled();
  }
  return null;
}

/** Takes a request through the gate, and through `handler` if it is admitted. */
export function handleRequest(request, handler, options) {
  return shared().handle(request, handler, options);
}

/** What the answer to a request that `guardRequest` let pass should carry. */
export function protectionHeaders(request) {
  return ANSWERED.get(request)?.headers ?? new Headers();
}

/** Who was verified, or `null`: of a request that a wrapper handed to its handler, or that `guardRequest` let pass. */
export function identity(request) {
  return ANSWERED.get(request)?.caller ?? callerOf(request.headers);
}
