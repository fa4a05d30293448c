import Stripe from 'stripe';
import { record } from '../../../../lib/journal';

/**
 * The gate has verified the signature and refuses copies. Verified again here, as Stripe's documentation has it: that
 * works only over the very bytes that Stripe sent.
 */
export async function POST(request: Request): Promise<Response> {
  const secret = process.env.STRIPE_WEBHOOK_SECRET;
  if (!secret) throw new Error('STRIPE_WEBHOOK_SECRET is not set');
  const body = Buffer.from(await request.arrayBuffer());
  const signature = request.headers.get('stripe-signature') ?? '';
  let event: Stripe.Event;
  try {
    event = Stripe.webhooks.constructEvent(body, signature, secret);
  } catch {
    record('stripe-refused');
    return Response.json({ error: 'Invalid signature' }, { status: 400 });
  }
  record('stripe', { id: event.id, type: event.type });
  return Response.json({ received: true });
}
