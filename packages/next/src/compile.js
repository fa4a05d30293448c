// A policy's text, read once: the module that decides takes what comes of it.

import { Core, Said } from './core.js';
import { ConfigError } from './problems.js';

/** The policy as bytes; throws {@link ConfigError} that names every problem with its place. */
export function compile({ name, policy, environment, manifest, variables }) {
  const { said, value, body } = Core.reader().call(0, 0, (message) => {
    around(message.text(name).text(policy), { environment, manifest, variables });
  });
  if (said !== Said.Started) throw new ConfigError(value?.problems ?? []);
  return body;
}

/** What lies around a policy. */
export function around(message, { environment, manifest, variables }) {
  const pairs = Object.entries(variables).filter(([, value]) => typeof value === 'string');
  message.text(environment ?? '').text(manifest ?? '').count(pairs.length);
  for (const [key, value] of pairs) message.text(key).text(value);
}
