import { once } from 'node:events';
import http from 'node:http';

/**
 * A web server of somebody else. It listens on the loopback address, so that it is another
 * *site* as `localhost` and another *origin of the same site* as `127.0.0.1`: only the
 * first keeps SameSite cookies away from the victim's request. It answers for any other name too.
 */
export class Stranger {
  static async start() {
    const stranger = new Stranger();
    stranger.page = '';
    stranger.cookie = null;
    stranger.server = http.createServer((_request, answer) => {
      if (stranger.cookie) answer.setHeader('set-cookie', stranger.cookie);
      answer.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
      answer.end(stranger.page);
    });
    stranger.server.listen(0, '127.0.0.1');
    await once(stranger.server, 'listening');
    stranger.port = stranger.server.address().port;
    return stranger;
  }

  /** Serves a page that submits a form with `fields` to `target` as soon as it is open. */
  lure(target, fields) {
    const inputs = Object.entries(fields).map(([name, value]) => `<input name="${name}" value="${value}">`);
    this.page = `<!doctype html><title>You have won</title>
      <form method="post" action="${target}">${inputs.join('')}</form>
      <script>document.forms[0].submit()</script>`;
  }

  url(hostname) {
    return `http://${hostname}:${this.port}/`;
  }

  async stop() {
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}
