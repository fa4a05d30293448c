import { record } from '../../../lib/journal';

export const dynamic = 'force-dynamic';

/**
 * Fails on purpose. With `?detail=1` it fails as many handlers do that catch everything:
 * it sends the stack trace, which a gate in production must not let through.
 */
export function GET(request: Request): Response {
  record('boom');
  const error = new Error('connection to db-internal.example:5432 refused');
  if (new URL(request.url).searchParams.has('detail')) {
    return Response.json({ error: error.message, stack: error.stack }, { status: 500 });
  }
  throw error;
}
