import { auth } from '@clerk/nextjs/server';
import { record } from '../../../lib/journal';

/** Takes the plain form (answers by a redirect, as a browser navigates) or JSON. */
export async function POST(request: Request): Promise<Response> {
  const { userId } = await auth();
  if (!userId) return Response.json({ error: 'Unauthorized' }, { status: 401 });

  const json = request.headers.get('content-type')?.startsWith('application/json') ?? false;
  const title = await titleOf(request, json);
  const ok = typeof title === 'string' && title.length >= 1 && title.length <= 100;
  if (ok) record('example-account', { user: userId, title });
  else record('example-account-invalid', { user: userId });

  if (!json) {
    return new Response(null, { status: 303, headers: { location: `/account?saved=${ok ? 'yes' : 'no'}` } });
  }
  return ok
    ? Response.json({ success: true, title, userId })
    : Response.json(
        { error: 'Validation failed', details: { '/title': 'must be a string of 1 to 100 characters' } },
        { status: 400 },
      );
}

async function titleOf(request: Request, json: boolean): Promise<unknown> {
  try {
    return json ? (await request.json())?.title : (await request.formData()).get('title');
  } catch {
    return undefined;
  }
}
