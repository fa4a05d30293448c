import { clerkMiddleware } from '@clerk/nextjs/server';

/** Clerk reads the session of those routes that ask for one; each of them decides for itself what to do without. */
export default clerkMiddleware();

export const config = {
  matcher: ['/account', '/api/example-account', '/api/pro/:path*', '/api/users/:path*'],
};
