import { clerkMiddleware } from '@clerk/nextjs/server';

/**
 * Clerk reads the session of those routes that ask for one; each of them decides for itself what to do without.
 *
 * The key is handed over because @clerk/nextjs 7 does not look at CLERK_JWT_KEY by itself: without it, it asks
 * api.clerk.com for the keys.
 */
export default clerkMiddleware({ jwtKey: process.env.CLERK_JWT_KEY });

export const config = {
  matcher: ['/account', '/api/example-account', '/api/pro/:path*', '/api/users/:path*'],
};
