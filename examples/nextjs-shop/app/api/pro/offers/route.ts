import { auth } from '@clerk/nextjs/server';
import { record } from '../../../../lib/journal';

export async function GET(): Promise<Response> {
  const { userId, has } = await auth();
  if (!userId) return Response.json({ error: 'Unauthorized' }, { status: 401 });
  if (!has({ plan: 'pro' })) return Response.json({ error: 'Forbidden' }, { status: 403 });
  record('offers', { user: userId });
  return Response.json({ offers: [{ id: 'oak-gate', price: '€ 159' }] });
}
