// Which requests `proxy.ts` leaves to the wrappers of their handlers.

/**
 * Whether a request is left: its path begins with one of `leave`, and the policy names path and method. A server action
 * never is: where the path has no handler, Next.js runs the action all the same, and no wrapper sees it.
 */
export function leaves(gate, request, leave) {
  if (request.headers.has('next-action')) return false;
  const { pathname } = new URL(request.url);
  const left = leave.some((start) => pathname === start || pathname.startsWith(start.endsWith('/') ? start : `${start}/`));
  return left && mayLeave(gate, request.method, pathname);
}

/** A declared route, or the token endpoint, which has a handler of its own. */
function mayLeave(gate, method, pathname) {
  const { declared, kind } = gate.find(method, pathname);
  return (declared && kind !== null) || (pathname === gate.start().csrfPath && method === 'GET');
}
