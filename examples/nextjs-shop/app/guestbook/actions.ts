'use server';

import { revalidatePath } from 'next/cache';
import { add } from '../../lib/guestbook';
import { record } from '../../lib/journal';

const LONGEST = 200;

export interface Signed {
  ok: boolean;
  message: string;
}

export async function sign(_previous: Signed | null, form: FormData): Promise<Signed> {
  const name = String(form.get('name') ?? '').trim();
  const text = String(form.get('text') ?? '').trim();
  if (!name || !text || name.length > LONGEST || text.length > LONGEST) {
    return { ok: false, message: `Name and text are needed, at most ${LONGEST} characters each.` };
  }
  add(name, text);
  record('guestbook', { name });
  revalidatePath('/guestbook');
  return { ok: true, message: `Thank you, ${name}.` };
}
