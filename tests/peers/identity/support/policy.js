/** A policy with one route for whoever is signed in, made for an origin; `identity` are more lines of `[identity]`. */
export const policy = (identity) => (origin) => `[app]
name = "peers"
upstream = "http://127.0.0.1:1"
public_origin = "${origin}"

[identity]
provider = "clerk"
${identity.join('\n')}

[[route]]
path = "/mine"
kind = "protected-read"
limit = "1000/s"
`;
