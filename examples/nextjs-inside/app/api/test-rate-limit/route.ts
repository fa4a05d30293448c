import { withRateLimit } from '@palisade-gate/next';

export const GET = withRateLimit(() => Response.json({ message: 'Rate limit not reached' }));
