import { record } from '../../../lib/journal';

const LONGEST = { name: 100, email: 200, message: 2000 };

type Fields = Record<string, unknown>;

/** Takes the plain form (answers by a redirect, as a browser navigates) or JSON. */
export async function POST(request: Request): Promise<Response> {
  const [type] = (request.headers.get('content-type') ?? '').toLowerCase().split(/\s*;/);
  const json = type === 'application/json';
  if (!json && type !== 'application/x-www-form-urlencoded' && type !== 'multipart/form-data') {
    return Response.json({ error: 'Unsupported media type' }, { status: 415 });
  }
  const fields = await read(request, json);
  const details = problems(fields);
  const ok = Object.keys(details).length === 0;
  if (ok) record('contact', { name: String(fields.name), as: json ? 'json' : 'form' });
  else record('contact-invalid');

  if (!json) {
    // 303 so that reloading the page does not send the message again.
    return new Response(null, { status: 303, headers: { location: `/contact?sent=${ok ? 'yes' : 'no'}` } });
  }
  return ok
    ? Response.json({ success: true, message: 'Your message has arrived.' })
    : Response.json({ error: 'Validation failed', details }, { status: 400 });
}

async function read(request: Request, json: boolean): Promise<Fields> {
  try {
    const fields: unknown = json ? await request.json() : Object.fromEntries(await request.formData());
    return fields !== null && typeof fields === 'object' ? (fields as Fields) : {};
  } catch {
    return {};
  }
}

function problems(fields: Fields): Fields {
  const found: Fields = {};
  for (const [name, longest] of Object.entries(LONGEST)) {
    const value = fields[name];
    if (typeof value !== 'string' || value.trim() === '') found[`/${name}`] = 'is required';
    else if (value.length > longest) found[`/${name}`] = `must be at most ${longest} characters`;
  }
  return found;
}
