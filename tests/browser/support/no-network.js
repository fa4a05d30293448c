// Preloaded into the app (NODE_OPTIONS=--import): it may talk to this machine and to nobody else. Whom it tries to reach
// is appended to NETWORK_LOG; the first line says that somebody watches.

import { appendFileSync } from 'node:fs';
import net from 'node:net';

const LOCAL = [undefined, 'localhost', '127.0.0.1', '::1'];
const note = (line) => appendFileSync(process.env.NETWORK_LOG, `${line}\n`);
const { connect } = net.Socket.prototype;

// Every client of Node ends here, `fetch` too.
net.Socket.prototype.connect = function connectHere(...args) {
  const [first, second] = Array.isArray(args[0]) ? args[0] : args;
  const host = typeof first === 'object' ? first.host : second;
  if (LOCAL.includes(typeof host === 'function' ? undefined : host)) return connect.apply(this, args);
  note(host);
  this.destroy(new Error(`no network in tests: ${host}`));
  return this;
};

note('watching');
