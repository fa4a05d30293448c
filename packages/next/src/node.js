// For servers of Node.js: handlers that speak fetch, under `http.createServer` or Express.

import { Readable } from 'node:stream';
import { pipeline } from 'node:stream/promises';
import { PEERS } from './gate.js';

/**
 * A listener of Node.js (`(request, response) => …`, also a route of Express) for a handler that speaks fetch, wrapped or
 * not. The gate then knows the connection's address. What a URL cannot say as it was sent is answered 400: the server and
 * the gate would read two paths.
 */
export function toNode(handler) {
  PEERS.known = true;
  return async function listener(incoming, outgoing) {
    try {
      const request = requestOf(incoming);
      const answer = request ? await handler(request, { params: Promise.resolve(incoming.params ?? {}) }) : unreadable();
      await send(answer, outgoing);
    } catch (error) {
      console.error(error);
      if (outgoing.headersSent) outgoing.destroy();
      else outgoing.writeHead(500, { 'content-type': 'text/plain', 'cache-control': 'no-store' }).end('Internal server error');
    }
  };
}

/** The request as fetch has it, or nothing. */
export function requestOf(incoming) {
  const target = incoming.originalUrl ?? incoming.url;
  const origin = `http://${incoming.headers.host}`;
  if (!target.startsWith('/') || !URL.canParse(origin + target)) return null;
  const url = new URL(origin + target);
  if (url.pathname + url.search !== target || url.origin !== origin.toLowerCase().replace(/:80$/, '')) return null;
  const reads = incoming.method === 'GET' || incoming.method === 'HEAD';
  const hasBody = Number(incoming.headers['content-length'] ?? 0) > 0 || incoming.headers['transfer-encoding'] !== undefined;
  const body = hasBody && !reads ? { body: Readable.toWeb(incoming), duplex: 'half' } : {};
  try {
    const request = new Request(url, { method: incoming.method, headers: headersOf(incoming), ...body });
    PEERS.of.set(request, incoming.socket.remoteAddress);
    return request;
  } catch {
    return null;
  }
}

function headersOf({ rawHeaders }) {
  const headers = new Headers();
  for (let at = 0; at < rawHeaders.length; at += 2) {
    const [name, value] = [rawHeaders[at], rawHeaders[at + 1]];
    const more = name.toLowerCase() === 'cookie' && headers.get('cookie');
    if (more) headers.set('cookie', `${more}; ${value}`);
    else headers.append(name, value);
  }
  return headers;
}

function unreadable() {
  const problem = { type: 'about:blank', title: 'Bad Request', status: 400, code: 'path-malformed', error: 'Bad request' };
  const headers = { 'content-type': 'application/problem+json', 'cache-control': 'no-store', 'x-content-type-options': 'nosniff' };
  return new Response(JSON.stringify(problem), { status: 400, headers });
}

async function send(answer, outgoing) {
  const headers = [...answer.headers].filter(([name]) => name !== 'set-cookie').flat();
  for (const cookie of answer.headers.getSetCookie()) headers.push('set-cookie', cookie);
  outgoing.writeHead(answer.status, headers);
  if (answer.body === null) return outgoing.end();
  await pipeline(Readable.fromWeb(answer.body), outgoing);
}
