// For next.config: the policy goes into the build, read already, and the headers that need no request.

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { compile } from './compile.js';

/**
 * Puts `palisade.toml` into the build, for servers without the project's files. A mistake in it fails the build; what
 * depends on variables is judged when the server starts.
 */
export function withPalisade(config = {}, { policy = 'palisade.toml', directory = process.cwd() } = {}) {
  const text = readFileSync(path.join(directory, policy), 'utf8');
  const compiled = compile({ name: policy, policy: text, variables: process.env });
  const PALISADE_POLICY = Buffer.from(compiled).toString('base64');
  const PALISADE_MANIFEST = `${config.distDir ?? '.next'}/server/server-reference-manifest.json`;
  return { ...config, poweredByHeader: false, env: { ...config.env, PALISADE_POLICY, PALISADE_MANIFEST } };
}

/**
 * Headers that hold for every answer, for `headers()` of next.config: what the gate sets where it sees a request, but
 * for a policy of content security, which needs one. `https` adds HSTS.
 */
export function securityHeaders({ https = process.env.NODE_ENV === 'production' } = {}) {
  const headers = {
    'x-content-type-options': 'nosniff',
    'x-frame-options': 'DENY',
    'cross-origin-opener-policy': 'same-origin',
    'cross-origin-resource-policy': 'same-origin',
    'referrer-policy': 'strict-origin-when-cross-origin',
    'permissions-policy':
      'camera=(), microphone=(), geolocation=(), usb=(), serial=(), midi=(), display-capture=(), browsing-topics=()',
    ...(https ? { 'strict-transport-security': 'max-age=31536000' } : {}),
  };
  return Object.entries(headers).map(([key, value]) => ({ key, value }));
}
