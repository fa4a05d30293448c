import assert from 'node:assert/strict';
import { test } from 'node:test';
import * as gate from '../src/index.js';

const handler = () => new Response();
const { withAuth, withCsrf, withErrors, withRateLimit, withValidation, withWebhook } = gate;

test('the wrong order throws where it is written, and says what to write', () => {
  const wrong = [
    [() => withCsrf(withRateLimit(handler)), 'Write: withRateLimit(withCsrf(handler))'],
    [() => withAuth(withCsrf(handler)), 'Write: withCsrf(withAuth(handler))'],
    [() => withRateLimit(withErrors(withCsrf(handler))), 'Write: withErrors(withRateLimit(withCsrf(handler)))'],
    [() => withValidation(withAuth(handler), { safeParse: () => ({}) }), 'Write: withAuth(withValidation(handler))'],
    [() => withRateLimit(withRateLimit(handler)), 'stands twice'],
    [() => withCsrf(withWebhook(handler)), 'never for both'],
  ];
  for (const [write, text] of wrong) assert.throws(write, (error) => error.message.includes(text), text);
});

test('the right order does not', () => {
  withErrors(withRateLimit(withCsrf(withAuth(withValidation(handler, { safeParse: () => ({}) })))));
  withErrors(withRateLimit(withWebhook(handler)));
});

test('what is no handler is refused at once', () => {
  for (const wrong of [undefined, null, {}, 'handler']) assert.throws(() => withCsrf(wrong), TypeError);
  assert.throws(() => withValidation(handler, {}), TypeError);
});
