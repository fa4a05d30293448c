// The whole gate before a plain server of Node.js: what it admits reaches `app`.

import { createServer } from 'node:http';
import { handleRequest } from '@palisade-gate/next';
import { toNode } from '@palisade-gate/next/node';

async function app(request) {
  const { pathname } = new URL(request.url);
  if (pathname === '/api/contact') return Response.json({ got: await request.text() });
  if (pathname === '/api/quick') return Response.json({ success: true });
  return new Response('<!doctype html><title>Example</title>', { headers: { 'content-type': 'text/html' } });
}

createServer(toNode((request) => handleRequest(request, app))).listen(process.env.PORT ?? 3000, '127.0.0.1');
