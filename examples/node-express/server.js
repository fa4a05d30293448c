// Wrapped handlers as routes of Express. A body parser of Express would read the body before the gate: these routes
// stand before it, and read theirs by fetch's own `request.json()`.

import express from 'express';
import { csrfRoute, withCsrf, withRateLimit } from '@palisade-gate/next';
import { toNode } from '@palisade-gate/next/node';

const app = express();
app.disable('x-powered-by');
app.get('/api/csrf', toNode(csrfRoute));
app.post('/api/contact', toNode(withRateLimit(withCsrf(async (request) => Response.json({ got: await request.text() })))));
app.get('/api/quick', toNode(withRateLimit(() => Response.json({ success: true }))));
app.listen(process.env.PORT ?? 3000, '127.0.0.1');
