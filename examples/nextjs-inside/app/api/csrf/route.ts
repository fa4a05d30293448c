import { csrfRoute } from '@palisade-gate/next';

export const GET = csrfRoute;
