import { createHash } from 'node:crypto';
import { once } from 'node:events';
import http from 'node:http';

// RFC 6455 section 1.3.
const WEBSOCKET = '258EAFA5-E914-47DA-95CA-C5AB0DC85B11';

/**
 * An application that keeps notes of whoever the gate says is there: `/` has the form and the notes, `/notes` takes one,
 * `/live` is a WebSocket that says hello. What has reached it stands in `asked`, as "METHOD path user".
 */
export class Notebook {
  static async start() {
    const notebook = new Notebook();
    notebook.asked = [];
    notebook.sockets = new Set();
    notebook.server = http.createServer((request, answer) => notebook.#answer(request, answer));
    notebook.server.on('upgrade', (request, socket) => notebook.#upgrade(request, socket));
    notebook.server.listen(0, '127.0.0.1');
    await once(notebook.server, 'listening');
    notebook.url = `http://127.0.0.1:${notebook.server.address().port}`;
    return notebook;
  }

  async #answer(request, answer) {
    const body = [];
    for await (const chunk of request) body.push(chunk);
    this.#note(request);
    answer.writeHead(200, { 'content-type': 'text/html; charset=utf-8' });
    if (request.url === '/notes') return answer.end('<!doctype html><title>Notes</title><p id="done">Noted.');
    answer.end(`<!doctype html><title>Notes</title>
      <p id="user">${request.headers['x-palisade-user'] ?? 'nobody'}</p>
      <form method="post" action="/notes">
        <input name="_csrf" value="${request.headers['x-palisade-csrf-token'] ?? ''}"><button>Note</button>
      </form>`);
  }

  #upgrade(request, socket) {
    this.#note(request);
    this.sockets.add(socket);
    socket.on('error', () => {});
    const accept = createHash('sha1').update(request.headers['sec-websocket-key'] + WEBSOCKET).digest('base64');
    const head = ['HTTP/1.1 101 Switching Protocols', 'Upgrade: websocket', 'Connection: Upgrade'];
    socket.write(`${[...head, `Sec-WebSocket-Accept: ${accept}`].join('\r\n')}\r\n\r\n`);
    // One unmasked text frame.
    socket.write(Buffer.concat([Buffer.from([0x81, 5]), Buffer.from('hello')]));
  }

  #note(request) {
    if (request.url === '/favicon.ico') return;
    this.asked.push(`${request.method} ${request.url} ${request.headers['x-palisade-user'] ?? 'nobody'}`);
  }

  async stop() {
    for (const socket of this.sockets) socket.destroy();
    this.server.closeAllConnections();
    this.server.close();
    await once(this.server, 'close');
  }
}

/** Its policy: `/` is for everybody, the others for whoever is signed in. */
export const notebookPolicy = (origin) => `[app]
name = "notebook"
upstream = "http://127.0.0.1:1"
public_origin = "${origin}"
services = []

[identity]
provider = "clerk"
authorized_parties = ["${origin}"]
sign_in_url = "/"

[[route]]
path = "/"
kind = "page"

[[route]]
path = "/mine"
kind = "protected-read"
csp = "auto"

[[route]]
path = "/notes"
methods = ["POST"]
kind = "account"
limit = "1000/min"

[[route]]
path = "/live"
kind = "protected-read"
websocket = true
`;
