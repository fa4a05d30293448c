import { withCsrf, withErrors, withRateLimit, withValidation } from '@palisade-gate/next';
import { type Input, schema } from '../../example';

const handler = (_: Request, { input }: { input: Input }) => Response.json({ success: true, title: input.title });

export const POST = withErrors(withRateLimit(withCsrf(withValidation(handler, schema))));
