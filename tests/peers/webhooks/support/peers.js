// The providers' own libraries, each behind the same few words: it signs a message as the provider would, and it
// verifies what the application got as an application would.

import { randomBytes } from 'node:crypto';
import { Webhook as Standard } from 'standardwebhooks';
import Stripe from 'stripe';
import { Webhook as Svix } from 'svix';

const stripe = new Stripe('sk_test_unused');
const whsec = () => `whsec_${randomBytes(24).toString('base64')}`;
const seconds = (time) => Math.floor(time.getTime() / 1000);

function svixLike(library, variable, prefix, hook) {
  return {
    path: `/hooks/${hook}`,
    variable,
    newSecret: whsec,
    names: { id: `${prefix}-id`, time: `${prefix}-timestamp`, signature: `${prefix}-signature` },
    sign: ({ secret, id, body, time = new Date() }) => ({
      [`${prefix}-id`]: id,
      [`${prefix}-timestamp`]: String(seconds(time)),
      [`${prefix}-signature`]: new library(secret).sign(id, time, body),
    }),
    verify: ({ secret, body, headers }) => new library(secret).verify(body.toString(), headers),
  };
}

export const PEERS = {
  svix: svixLike(Svix, 'SVIX_SECRET', 'svix', 'svix'),
  'svix without its brand': svixLike(Svix, 'SVIX_SECRET', 'webhook', 'svix'),
  'clerk, which is svix': svixLike(Svix, 'SVIX_SECRET', 'svix', 'clerk'),
  standardwebhooks: svixLike(Standard, 'STANDARD_SECRET', 'webhook', 'standard'),
  stripe: {
    path: '/hooks/stripe',
    variable: 'STRIPE_SECRET',
    newSecret: whsec,
    names: { signature: 'stripe-signature' },
    sign: ({ secret, body, time = new Date() }) => ({
      'stripe-signature': stripe.webhooks.generateTestHeaderString({ payload: body, secret, timestamp: seconds(time) }),
    }),
    verify: ({ secret, body, headers }) =>
      stripe.webhooks.constructEvent(body, headers['stripe-signature'], secret),
  },
};
