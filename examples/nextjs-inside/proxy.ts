import { createProxy } from '@palisade-gate/next/proxy';

/** The gate decides pages and every path that nobody declared; the handlers below carry wrappers of their own. */
export default createProxy({ leave: ['/api/', '/contact', '/edge', '/stream'] });
