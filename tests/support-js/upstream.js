import { once } from 'node:events';
import http from 'node:http';

/** An application that takes note of what reaches it, and answers `status` after `delay` milliseconds. */
export class Upstream {
  static async start() {
    const upstream = new Upstream();
    upstream.took = [];
    upstream.status = 200;
    upstream.delay = 0;
    upstream.server = http.createServer(async (request, answer) => {
      const chunks = [];
      for await (const chunk of request) chunks.push(chunk);
      upstream.took.push({ path: request.url, headers: request.headers, body: Buffer.concat(chunks) });
      const { status } = upstream;
      setTimeout(() => answer.writeHead(status).end('done'), upstream.delay);
    });
    upstream.server.listen(0, '127.0.0.1');
    await once(upstream.server, 'listening');
    upstream.port = upstream.server.address().port;
    return upstream;
  }

  get url() {
    return `http://127.0.0.1:${this.port}`;
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
