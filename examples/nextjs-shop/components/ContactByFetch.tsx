'use client';

import { useRef, useState, type RefObject, type SubmitEvent } from 'react';
import ContactFields from './ContactFields';

const HEADER = 'X-CSRF-Token';

interface Outcome {
  ok: boolean;
  text: string;
}

/** What the app and the gate answer with. */
interface Answer {
  message?: string;
  error?: string;
  retryAfter?: number;
}

export default function ContactByFetch() {
  // A ref and not state: a new token must not render anything.
  const token = useRef<string>(null);
  const [outcome, setOutcome] = useState<Outcome>();
  const [pending, setPending] = useState(false);

  async function submit(event: SubmitEvent<HTMLFormElement>) {
    event.preventDefault();
    const form = event.currentTarget;
    setPending(true);
    try {
      const result = await send(token, Object.fromEntries(new FormData(form)));
      setOutcome(result);
      if (result.ok) form.reset();
    } catch {
      setOutcome({ ok: false, text: 'The shop could not be reached. Please try again.' });
    } finally {
      setPending(false);
    }
  }

  return (
    <form className="panel" id="fetch-form" onSubmit={submit}>
      <ContactFields prefix="fetch" />
      <button type="submit" disabled={pending}>Send</button>
      <p role="status" className={outcome && !outcome.ok ? 'bad' : 'good'}>{outcome?.text}</p>
    </form>
  );
}

/** Posts the message; keeps in `token` what the next call may use. */
async function send(token: RefObject<string | null>, fields: object): Promise<Outcome> {
  token.current ??= await firstToken();
  const answer = await fetch('/api/contact', {
    method: 'POST',
    headers: { 'Content-Type': 'application/json', [HEADER]: token.current ?? '' },
    body: JSON.stringify(fields),
  });
  const next = answer.headers.get(HEADER);
  // A rate-limited request has not spent its token. After any other answer without a
  // successor the token may be used up or wrong: ask for a new one next time.
  if (next) token.current = next;
  else if (answer.status !== 429) token.current = null;

  const body = await answer.json().catch(() => ({}));
  return { ok: answer.ok, text: describe(answer.status, body) };
}

async function firstToken(): Promise<string | null> {
  const answer = await fetch('/api/csrf');
  if (!answer.ok) return null;
  return (await answer.json()).csrfToken;
}

function describe(status: number, body: Answer): string {
  const message = body.message ?? body.error ?? 'No further explanation.';
  const retry = body.retryAfter ? ` Try again in ${body.retryAfter} seconds.` : '';
  return `${status}: ${message}${retry}`;
}
