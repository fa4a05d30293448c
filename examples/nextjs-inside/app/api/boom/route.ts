import { withErrors, withRateLimit } from '@palisade-gate/next';

export const GET = withErrors(
  withRateLimit(() => {
    throw new Error('at loadUser (users.js:41): SELECT * FROM users');
  }),
);
