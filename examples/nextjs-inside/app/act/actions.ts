'use server';

export async function greet(form: FormData) {
  console.error(`acted for ${String(form.get('name')).slice(0, 20)}`);
}
