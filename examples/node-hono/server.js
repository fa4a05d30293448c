// The gate as middleware of Hono, on Node.js.

import { getConnInfo } from '@hono/node-server/conninfo';
import { serve } from '@hono/node-server';
import { Hono } from 'hono';
import { guardRequest, protectionHeaders } from '@palisade-gate/next';

const app = new Hono();
app.use(async (c, next) => {
  const request = c.req.raw;
  const refused = await guardRequest(request, { address: getConnInfo(c).remote.address });
  if (refused) return refused;
  await next();
  for (const [name, value] of protectionHeaders(request)) c.res.headers.set(name, value);
});
app.post('/api/contact', async (c) => c.json({ got: await c.req.text() }));
app.get('/api/quick', (c) => c.json({ success: true }));
serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 3000), hostname: '127.0.0.1' });
