// The five error answers of the operations guide, in the shape of the gate's own.

const GENERIC = 'An unexpected error occurred. Please try again later.';

/** 500. What went wrong is told in development alone. */
export function failure(error) {
  const told = process.env.NODE_ENV === 'development' ? String(error?.message ?? error) : GENERIC;
  return problem(500, 'internal', 'Internal Server Error', 'Internal server error', told);
}

/** 400; `details` say where (JSON pointer) and how. */
export function invalid(details = {}) {
  const message = 'The input is not what this route takes.';
  return problem(400, 'validation-failed', 'Bad Request', 'Validation failed', message, { details });
}

/** 401: the caller must sign in. */
export function unauthorized() {
  return problem(401, 'auth-required', 'Unauthorized', 'Unauthorized', 'Please sign in to continue.');
}

/** 403: the caller may not do that. */
export function forbidden() {
  return problem(403, 'forbidden', 'Forbidden', 'Forbidden', 'You do not have permission to access this resource.');
}

/** 404: there is no such thing; `what` is the app's own word for it. */
export function notFound(what = 'resource') {
  return problem(404, 'not-found', 'Not Found', 'Not found', `The ${what} was not found.`);
}

function problem(status, code, title, error, message, more = {}) {
  const body = JSON.stringify({ type: 'about:blank', title, status, code, error, message, ...more });
  return new Response(body, { status, headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' } });
}
