import { auth } from '@clerk/nextjs/server';
import { record } from '../../../../../lib/journal';

const LONGEST = 1000;

/** A user's own posts: nobody else may write there. */
export async function POST(request: Request, { params }: RouteContext<'/api/users/[user]/posts'>): Promise<Response> {
  const { userId } = await auth();
  const { user } = await params;
  if (!userId) return Response.json({ error: 'Unauthorized' }, { status: 401 });
  if (userId !== user) return Response.json({ error: 'Forbidden' }, { status: 403 });

  const text: unknown = (await request.json().catch(() => null))?.text;
  if (typeof text !== 'string' || text.length < 1 || text.length > LONGEST) {
    return Response.json(
      { error: 'Validation failed', details: { '/text': `must be a string of 1 to ${LONGEST} characters` } },
      { status: 400 },
    );
  }
  record('post', { user, text });
  return Response.json({ success: true, text }, { status: 201 });
}
