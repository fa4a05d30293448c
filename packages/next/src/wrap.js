// The wrappers a route is written with. Each adds its name to a chain; the outermost runs the whole gate once, in the
// gate's own order, and then what is left: the input, the handler, its errors.

import { shared } from './gate.js';
import { failure, invalid, unauthorized } from './errors.js';

const CHAIN = Symbol.for('palisade-gate.chain');
/** From the outside in. What is cheap and by address comes first, what spends something last. */
const ORDER = ['withErrors', 'withRateLimit', 'withCsrf', 'withWebhook', 'withAuth', 'withValidation'];
const SAFE = new Set(['GET', 'HEAD', 'OPTIONS']);
const WHY = {
  withErrors: 'an error beyond it would reach the client',
  withRateLimit: 'a client beyond its limit must not cost a token check',
  withCsrf: 'a forged request must not be looked at any further',
  withWebhook: 'an unsigned message must not be looked at any further',
  withAuth: 'a stranger must not learn what the route takes',
};

/** At most so many requests a client. `limit` counts where the policy does not name the route. */
export const withRateLimit = (handler, options) => wrap('withRateLimit', handler, options);
/** A CSRF token, good once, on everything but GET, HEAD and OPTIONS. */
export const withCsrf = (handler, options) => wrap('withCsrf', handler, options);
/** A verified caller. */
export const withAuth = (handler, options) => wrap('withAuth', handler, options);
/** The provider's signature; `signature` counts where the policy does not name the route. */
export const withWebhook = (handler, options) => wrap('withWebhook', handler, options);
/** Answers what the handler throws, without its insides in production. */
export const withErrors = (handler, options) => wrap('withErrors', handler, options);
/** A JSON body as a schema describes it: anything with Zod's `safeParse`. The handler gets its output as `ctx.input`. */
export function withValidation(handler, schema) {
  if (typeof schema?.safeParse !== 'function') throw new TypeError('withValidation(handler, schema): the schema has no safeParse');
  return wrap('withValidation', handler, { schema });
}
/** The whole gate of a kind, as `palisade advise` lists it. */
export const protect = (kind, handler, options) => wrap('protect', handler, { ...options, kind });

/** `GET /api/csrf`: hands out tokens. */
export const csrfRoute = (request) => shared().handle(request, () => new Response(null, { status: 404 }));

function wrap(name, handler, options = {}) {
  if (typeof handler !== 'function') {
    throw new TypeError(`${name}(handler): the handler is ${handler === null ? 'null' : typeof handler}, not a function`);
  }
  const inner = handler[CHAIN] ?? { handler, names: [], options: {} };
  checkOrder(name, inner.names);
  const chain = { handler: inner.handler, names: [name, ...inner.names], options: { ...inner.options, ...options }, plans: new Map() };
  const wrapped = (request, ctx) => run(chain, request, ctx);
  return Object.defineProperty(wrapped, CHAIN, { value: chain });
}

/** Throws where the module is loaded, with the line to write. */
function checkOrder(name, inner) {
  const names = [name, ...inner].filter((one) => ORDER.includes(one));
  const sorted = [...new Set(names)].sort((a, b) => ORDER.indexOf(a) - ORDER.indexOf(b));
  const both = sorted.includes('withCsrf') && sorted.includes('withWebhook');
  if (both) throw new Error(`palisade: a route is for browsers (withCsrf) or for a provider (withWebhook), never for both`);
  if (names.join() === sorted.join()) return;
  const written = (list) => `${list.join('(')}(handler${')'.repeat(list.length)}`;
  const outside = inner.find((one) => ORDER.indexOf(one) < ORDER.indexOf(name));
  const why = outside ? `${outside} belongs outside of ${name}: ${WHY[outside]}` : `${name} stands twice`;
  throw new Error(`palisade: ${written(names)} is in the wrong order. Write: ${written(sorted)} (${why})`);
}

async function run(chain, request, ctx) {
  const gate = shared();
  const method = request.method;
  const path = pathOf(request.url);
  const judged = chain.options.schema && isJson(request) ? judge(chain.options.schema) : null;
  const answer = (admitted, caller) => guarded(chain, admitted, ctx, caller, judged?.checked ?? null);
  return gate.handle(request, answer, { plan: () => planFor(gate, chain, method, path), check: judged?.check });
}

/** The schema over a body that the gate has read: what is wrong before anything is spent, and its output after. */
function judge(schema) {
  const judged = { checked: null };
  judged.check = (bytes) => {
    try {
      judged.checked = schema.safeParse(JSON.parse(new TextDecoder('utf-8', { fatal: true }).decode(bytes)));
    } catch {
      // No JSON, which the gate refuses by itself; or a schema that waits, which fails the request in its handler's turn.
      return null;
    }
    return judged.checked.success ? [] : Object.entries(details(judged.checked.error));
  };
  return judged;
}

function isJson(request) {
  return /^application\/(?:[a-z0-9.+-]+\+)?json\b/i.test(request.headers.get('content-type') ?? '');
}

/** What is left to do once the gate has admitted the request. */
async function guarded(chain, request, ctx, caller, before) {
  const { names, handler, options } = chain;
  if (names.includes('withAuth') && caller === null) return unauthorized();
  try {
    if (!names.includes('withValidation')) return await handler(request, ctx);
    // The gate has not read what a gate before it has decided, or what is no JSON.
    const checked = before ?? options.schema.safeParse(await request.clone().json().catch(() => undefined));
    if (!checked.success) return invalid(details(checked.error));
    return await handler(request, { ...ctx, input: checked.data });
  } catch (error) {
    if (!names.includes('withErrors') || isNavigation(error)) throw error;
    console.error(error);
    return failure(error);
  }
}

/** `redirect()`, `notFound()` and their like are thrown for Next.js to catch. */
function isNavigation(error) {
  return typeof error?.digest === 'string' && error.digest.startsWith('NEXT_');
}

function details(error) {
  const issues = (error?.issues ?? []).slice(0, 20);
  const pointer = (path) => path.map((key) => `/${String(key).replaceAll('~', '~0').replaceAll('/', '~1')}`).join('');
  return Object.fromEntries(issues.map(({ path, message }) => [pointer(path ?? []), String(message)]));
}

/** The policy's plan where it names the route; where it does not, one for this line of code, said once. */
function planFor(gate, chain, method, path) {
  const known = chain.plans.get(method);
  if (known?.gate === gate) return gate.plan(known.route);
  // A schema is asked in the gate's own turn, before a token is spent. Other methods and other bodies are left as they are.
  if (gate.find(method, path).declared) return chain.options.schema && !SAFE.has(method) ? checkedPlan(gate, chain, method, path) : 0;
  const route = routeOf(chain, method);
  chain.plans.set(method, { gate, route });
  console.warn(`palisade: no [[route]] of the policy names ${method} ${path}; until one does, it is decided by\n${written({ ...route, path })}`);
  return gate.plan(route);
}

/** One for each handler and method: a handler belongs to one route. */
function checkedPlan(gate, chain, method, path) {
  chain.number ??= ++wrappers;
  return gate.checked(`checked ${chain.number} ${method}`, method, path);
}

let wrappers = 0;
/** Two processes number their wrappers differently: where state is shared, each counts these routes for itself. */
let own;

/** A route for a handler that the policy does not name. Its path takes all: only this handler's requests are asked. */
function routeOf({ names, options }, method) {
  const { limit, signature } = options;
  own ??= crypto.randomUUID().slice(0, 8);
  const has = (name) => names.includes(name);
  const safe = SAFE.has(method);
  const kind = options.kind ?? defaultKind(has, safe);
  const lax = kind === 'public-form' && !options.kind && !has('withCsrf');
  return {
    path: `/{*wrapped-${own}-${++wrappers}}`,
    kind,
    method,
    limit: limit ?? (safe && has('withRateLimit') ? '5/min' : undefined),
    because: lax ? 'the handler is not wrapped in withCsrf' : undefined,
    signature,
    checked: Boolean(options.schema) && !safe,
  };
}

/** The route as the policy would have it. */
function written({ path, kind, method, limit, because, signature }) {
  const lines = ['[[route]]', `path = ${quoted(path)}`, `kind = ${quoted(kind)}`];
  if (kind !== 'webhook') lines.push(`methods = [${quoted(method)}]`);
  if (limit) lines.push(`limit = ${quoted(limit)}`);
  if (because) lines.push(`csrf = { strength = "origin", because = ${quoted(because)} }`);
  if (signature) lines.push(`signature = { scheme = ${quoted(signature.scheme)}, secrets = [${signature.secrets.map(quoted).join(', ')}] }`);
  return lines.join('\n');
}

function defaultKind(has, safe) {
  if (has('withWebhook')) return 'webhook';
  if (has('withAuth')) return safe ? 'protected-read' : 'protected-write';
  return safe ? 'public-read' : 'public-form';
}

/** A TOML basic string. */
function quoted(text) {
  return JSON.stringify(String(text)).replaceAll('\u007f', '\\u007f');
}

function pathOf(url) {
  const start = url.indexOf('/', url.indexOf('://') + 3);
  return url.slice(start).split(/[?#]/, 1)[0];
}
