import type { IncomingMessage, ServerResponse } from 'node:http';
export declare function toNode(
  handler: (request: Request, ctx: { params: Promise<Record<string, string>> }) => Response | Promise<Response>,
): (incoming: IncomingMessage, outgoing: ServerResponse) => Promise<void>;
export declare function requestOf(incoming: IncomingMessage): Request | null;
