import { record } from '../../../lib/journal';

// A GET handler that reads nothing of its request would be answered from the build.
export const dynamic = 'force-dynamic';

export function GET(): Response {
  record('test-rate-limit');
  return Response.json({ success: true, message: 'Within the limit.' });
}
