'use client';

import { useActionState } from 'react';
import { sign } from '../app/guestbook/actions';

export default function GuestbookForm() {
  const [result, submit, pending] = useActionState(sign, null);
  return (
    <form className="panel" action={submit}>
      <label htmlFor="guest">Your name</label>
      <input id="guest" name="name" maxLength={200} autoComplete="name" required />
      <label htmlFor="text">Your line</label>
      <input id="text" name="text" maxLength={200} required />
      <button type="submit" disabled={pending}>Sign</button>
      <p role="status" className={result && !result.ok ? 'bad' : 'good'}>{result?.message}</p>
    </form>
  );
}
