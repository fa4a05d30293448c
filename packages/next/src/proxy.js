// `proxy.ts`: the gate before Next.js, for pages and for everything that no wrapper sees.

import { NextResponse } from 'next/server.js';
import { shared } from './gate.js';
import { leaves } from './leave.js';

/** Fields that Next.js sets by itself, or that speak of the body which is not here yet. */
const NOT_OURS = new Set(['content-length', 'content-type', 'content-encoding', 'transfer-encoding']);

/**
 * The function of a `proxy.ts`. It decides every request; a route whose path begins with one of `leave` is left to
 * the wrappers of its handler, if the policy names path and method. Whatever it has decided, wrappers do not decide
 * again.
 */
export function createProxy({ leave = [] } = {}) {
  return async function proxy(request) {
    const gate = shared();
    let verdict;
    try {
      gate.start();
      if (leaves(gate, request, leave)) return NextResponse.next();
      verdict = await gate.decide(request);
    } catch (error) {
      console.error(error.message);
      return new Response('{"code":"internal","error":"Internal server error"}', {
        status: 500,
        headers: { 'content-type': 'application/problem+json', 'cache-control': 'no-store' },
      });
    }
    if (verdict.answer) return verdict.answer;
    if (verdict.vouched) return NextResponse.next();
    const { admitted } = verdict;
    const told = new Headers(request.headers);
    for (const name of admitted.remove) told.delete(name);
    for (const [name, value] of admitted.set) told.set(name, value);
    const next = NextResponse.next({ request: { headers: told } });
    for (const [name, value] of gate.finish(admitted, new Response(null)).headers) {
      if (!NOT_OURS.has(name)) next.headers.append(name, value);
    }
    await gate.settled();
    return next;
  };
}
