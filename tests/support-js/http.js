import http from 'node:http';

/** What a browser says when somebody opens a page, for requests that do not come from one. */
export const NAVIGATION = {
  accept: 'text/html,application/xhtml+xml,*/*;q=0.8',
  'sec-fetch-site': 'none',
  'sec-fetch-mode': 'navigate',
  'sec-fetch-dest': 'document',
};

/** One request over its own connection, byte for byte as given; redirects are not followed. */
export function request({ address = '127.0.0.1', port, method = 'GET', path, headers = {}, body = '' }) {
  const length = method === 'GET' || method === 'HEAD' ? {} : { 'content-length': Buffer.byteLength(body) };
  return new Promise((resolve, reject) => {
    const outgoing = http.request(
      { host: address, port, method, path, agent: false, headers: { ...headers, ...length } },
      (answer) => {
        const chunks = [];
        answer.on('data', (chunk) => chunks.push(chunk));
        answer.on('error', reject);
        answer.on('end', () =>
          resolve({ status: answer.statusCode, headers: answer.headers, body: Buffer.concat(chunks).toString() }),
        );
      },
    );
    outgoing.on('error', reject);
    outgoing.end(body);
  });
}

/** The cookies of an answer, as the next request would send them. */
export function cookiesOf(answer) {
  return (answer.headers['set-cookie'] ?? []).map((line) => line.split(';')[0]).join('; ');
}
