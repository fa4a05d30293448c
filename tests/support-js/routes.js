// Routes of policies, as more than one test declares them.

/** A form that anybody may send. */
export const CONTACT = `
[[route]]
path = "/api/contact"
methods = ["POST"]
kind = "public-form"
`;

/** Five a minute. */
export const QUICK = `
[[route]]
path = "/api/quick"
kind = "public-read"
limit = "5/min"
`;
