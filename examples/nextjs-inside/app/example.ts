import { z } from 'zod';

/** The operations guide's own example. */
export const schema = z.object({ title: z.string().min(1).max(100) });
export type Input = z.infer<typeof schema>;
