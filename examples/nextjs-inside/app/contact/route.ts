import { withCsrf, withRateLimit } from '@palisade-gate/next';

/** A form that works without JavaScript: its token is a field, and the body is still whole here. */
export const POST = withRateLimit(
  withCsrf(async (request: Request) => {
    const form = await request.formData();
    return new Response(`thank you: ${String(form.get('message')).length} characters`);
  }),
);
