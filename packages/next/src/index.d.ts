/** A route handler: any request of the fetch standard, and what the framework hands along. */
export type Handler<R extends Request = Request, C = unknown> = (request: R, ctx: C) => Response | Promise<Response>;
/** A handler behind the gate. It may be called as Next.js calls it, or without a context. */
export type Wrapped<R extends Request = Request, C = unknown> = (request: R, ctx: C) => Promise<Response>;

export type Kind =
  | 'page' | 'static' | 'health' | 'public-read' | 'protected-read' | 'public-form' | 'protected-write' | 'bulk'
  | 'account' | 'payment' | 'login' | 'search' | 'export' | 'report' | 'expensive' | 'ai' | 'upload' | 'webhook'
  | 'delegated';

/** For routes that the policy does not name. What the policy says of a route, no option changes. */
export interface RouteOptions {
  /** Like `5/min`: per client, by address. Units: `/s`, `/min`, `/h`, `/d`. */
  limit?: string;
  kind?: Kind;
  /** For webhooks: the provider's scheme, and the names of the variables that hold its secrets. */
  signature?: { scheme: 'stripe' | 'svix' | 'standard' | 'github' | 'slack' | 'vercel'; secrets: string[] };
}

export declare function withRateLimit<R extends Request = Request, C = unknown>(handler: Handler<R, C>, options?: RouteOptions): Wrapped<R, C>;
export declare function withCsrf<R extends Request = Request, C = unknown>(handler: Handler<R, C>, options?: RouteOptions): Wrapped<R, C>;
export declare function withAuth<R extends Request = Request, C = unknown>(handler: Handler<R, C>, options?: RouteOptions): Wrapped<R, C>;
export declare function withWebhook<R extends Request = Request, C = unknown>(handler: Handler<R, C>, options?: RouteOptions): Wrapped<R, C>;
export declare function withErrors<R extends Request = Request, C = unknown>(handler: Handler<R, C>, options?: RouteOptions): Wrapped<R, C>;
export declare function protect<R extends Request = Request, C = unknown>(kind: Kind, handler: Handler<R, C>, options?: RouteOptions): Wrapped<R, C>;

/** Anything that parses as Zod's schemas do. */
export interface Schema<T> {
  safeParse(input: unknown): { success: true; data: T } | { success: false; error: unknown };
}
/** The handler finds the schema's output as `ctx.input`. */
export declare function withValidation<T, R extends Request = Request, C extends { input: T } = { input: T }>(
  handler: Handler<R, C>,
  schema: Schema<T>,
): Wrapped<R, Exclude<keyof C, 'input'> extends never ? unknown : Omit<C, 'input'>>;

/** The handler of `GET /api/csrf`. */
export declare function csrfRoute(request: Request): Promise<Response>;

export interface Caller {
  user: string;
  session: string | null;
  organization: string | null;
  actor: string | null;
  roles: string[];
  permissions: string[];
  plans: string[];
  features: string[];
}
export declare function identity(request: Request): Caller | null;

export interface GuardOptions {
  /** The address at the other end of the connection. */
  address?: string;
}
export declare function guardRequest(request: Request, options?: GuardOptions): Promise<Response | null>;
export declare function protectionHeaders(request: Request): Headers;
export declare function handleRequest<R extends Request>(
  request: R,
  handler: (request: R, caller: Caller | null) => Response | Promise<Response>,
  options?: GuardOptions,
): Promise<Response>;

export interface Problem {
  file: string | null;
  line: number | null;
  column: number | null;
  code: string;
  severity: 'error' | 'warning';
  message: string;
  fix: string | null;
}
export declare class ConfigError extends Error {
  readonly problems: Problem[];
}
export interface Surroundings {
  /** The policy's text, or what `withPalisade` made of it, and the name that problems call it by. */
  policy?: string | Uint8Array;
  name?: string;
  environment?: 'development' | 'staging' | 'production';
  variables?: Record<string, string | undefined>;
  /** Next's manifest of server actions. */
  manifest?: string;
}
export interface GateOptions extends Surroundings {
  /** Who is at the other end, where a platform tells. Never a header that clients can write. */
  address?: (request: Request) => string | null | undefined;
  /** Takes each event: one line of JSON. */
  event?: (line: string) => void;
  warn?: (text: string) => void;
  error?: (text: unknown) => void;
  /** A client of `ioredis`, `redis` or `@upstash/redis`: what `[state] redis` shares is asked through it. */
  redis?: object;
  /** Fetches the issuer's keys. */
  fetch?: typeof fetch;
}
/** Names every problem of policy and variables at once, by throwing. */
export declare function validateConfig(options?: Surroundings): { name: string; environment: string; warnings: Problem[] };
/** Replaces the gate of this process. */
export declare function configure(options: GateOptions): void;

export declare function logSecurityEvent(event: {
  type: 'RATE_LIMIT' | 'CSRF_FAILURE' | 'AUTH_FAILURE' | 'VALIDATION_FAILURE';
  ip?: string;
  userId?: string;
  endpoint?: string;
  details?: Record<string, unknown>;
}): void;
export declare function sendAlert(alert: {
  severity: 'LOW' | 'MEDIUM' | 'HIGH';
  message: string;
  ip?: string;
  details?: Record<string, unknown>;
}): Promise<void>;

/** Takes event lines and sends them in batches: `configure({ event: (line) => queue.add(line) })`. */
export declare function intake(to: { url: string; token: string; fetch?: typeof fetch; warn?: (text: string) => void }): {
  add(line: string): void;
  flush(): Promise<void>;
  readonly dropped: number;
};

export declare function failure(error?: unknown): Response;
export declare function invalid(details?: Record<string, string>): Response;
export declare function unauthorized(): Response;
export declare function forbidden(): Response;
export declare function notFound(what?: string): Response;
