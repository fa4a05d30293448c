import { mkdtempSync, rmSync } from 'node:fs';
import http from 'node:http';
import { once } from 'node:events';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { Process, freePort } from './processes.js';

/** A private `redis-server`, on a port of its own, that keeps nothing on disk. */
export class RedisServer {
  static async start(port) {
    const server = new RedisServer();
    server.port = port ?? (await freePort());
    server.folder = mkdtempSync(path.join(tmpdir(), 'palisade-redis-'));
    const args = ['--port', server.port, '--bind', '127.0.0.1', '--save', '', '--appendonly', 'no', '--dir', server.folder];
    server.process = new Process('redis-server', 'redis-server', args.map(String));
    await server.process.listening('127.0.0.1', server.port);
    return server;
  }

  get url() {
    return `redis://127.0.0.1:${this.port}`;
  }

  async stop() {
    await this.process.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }
}

/** Speaks Upstash's REST to a Redis: a command is a JSON array, and `/pipeline` takes many. */
export class RestProxy {
  /** `redis` is a client of ioredis. */
  static async start(redis) {
    const proxy = new RestProxy();
    const run = ([command, ...args]) =>
      redis.call(command, ...args.map(String)).then((result) => ({ result }), (error) => ({ error: error.message }));
    proxy.server = http.createServer(async (request, answer) => {
      let text = '';
      for await (const chunk of request) text += chunk;
      const say = (status, told) => answer.writeHead(status, { 'content-type': 'application/json' }).end(JSON.stringify(told));
      if (request.headers.authorization !== 'Bearer the-token') return say(401, { error: 'Unauthorized' });
      const asked = JSON.parse(text);
      if (request.url.endsWith('/pipeline')) return say(200, await Promise.all(asked.map(run)));
      const told = await run(asked);
      say(told.error ? 400 : 200, told);
    });
    proxy.server.listen(0, '127.0.0.1');
    await once(proxy.server, 'listening');
    proxy.url = `http://127.0.0.1:${proxy.server.address().port}`;
    return proxy;
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
