import { identity, protect, withValidation } from '@palisade-gate/next';
import { type Input, schema } from '../../example';

const handler = (request: Request, { input }: { input: Input }) =>
  Response.json({ success: true, title: input.title, user: identity(request)?.user });

export const POST = protect('account', withValidation(handler, schema));
