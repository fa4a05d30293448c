const HOOKS = {
  svix: ['SVIX_SECRET'],
  clerk: ['SVIX_SECRET'],
  standard: ['STANDARD_SECRET'],
  stripe: ['STRIPE_SECRET'],
};

/** A policy with one webhook for each scheme, made for an origin. */
export const policy = (mode) => (origin) => `[app]
name = "peers"
upstream = "http://127.0.0.1:1"
public_origin = "${origin}"
mode = "${mode}"
${Object.entries(HOOKS).map(route).join('')}`;

const route = ([scheme, secrets]) => `
[[route]]
path = "/hooks/${scheme}"
kind = "webhook"
limit = "1000/min"
body = "64KiB"
signature = { scheme = "${scheme}", secrets = ${JSON.stringify(secrets)} }
`;
