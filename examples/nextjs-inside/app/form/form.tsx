'use client';

import { useCsrf } from '@palisade-gate/next/react';
import { useState } from 'react';

/** Sends to a route that takes a token; the next one comes with each answer. */
export function Form() {
  const { csrfFetch } = useCsrf();
  const [said, setSaid] = useState<string[]>([]);

  async function send(title: string) {
    const answer = await csrfFetch('/api/example-protected', {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ title }),
    });
    setSaid((before) => [...before, `${answer.status} ${title.length}`]);
  }

  return (
    <main>
      <button type="button" id="one" onClick={() => send('Hello')}>
        send
      </button>
      <button type="button" id="many" onClick={() => Promise.all(['a', 'bb', 'ccc'].map(send))}>
        send three at once
      </button>
      <button type="button" id="long" onClick={() => send('x'.repeat(101))}>
        send what is too long
      </button>
      <output>{said.join(', ')}</output>
    </main>
  );
}
