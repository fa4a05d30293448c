import { withRateLimit } from '@palisade-gate/next';

/** The same gate in the edge runtime, which Next.js 16 still builds. It counts by itself: no memory is shared with Node.js. */
export const runtime = 'edge';

export const GET = withRateLimit(() => Response.json({ message: 'Rate limit not reached' }), { limit: '5/min' });
