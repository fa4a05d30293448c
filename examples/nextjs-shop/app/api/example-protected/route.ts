import { record } from '../../../lib/journal';

export async function POST(request: Request): Promise<Response> {
  const title: unknown = (await request.json().catch(() => null))?.title;
  if (typeof title !== 'string' || title.length < 1 || title.length > 100) {
    record('example-protected-invalid');
    return Response.json(
      { error: 'Validation failed', details: { '/title': 'must be a string of 1 to 100 characters' } },
      { status: 400 },
    );
  }
  record('example-protected', { title });
  return Response.json({ success: true, title });
}
