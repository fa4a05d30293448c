// What the buttons do: plain fetches, and what came back.

const post = (path, token, title = "Hello") =>
  fetch(path, {
    method: "POST",
    headers: { "content-type": "application/json", ...(token && { "x-csrf-token": token }) },
    body: JSON.stringify({ title }),
  });

const password = async (user, word) =>
  fetch("/api/sign-in/password", {
    method: "POST",
    headers: { "content-type": "application/json", "x-csrf-token": await fresh() },
    body: JSON.stringify({ user, password: word }),
  });

const fresh = async () => (await (await fetch("/api/csrf")).json()).csrfToken;

const tries = {
  burst: () => Promise.all(Array.from({ length: 10 }, () => fetch("/api/test-rate-limit"))),
  missing: async () => [await post("/api/example-protected")],
  fake: async () => [await post("/api/example-protected", "made-up")],
  fresh: async () => [await post("/api/example-protected", await fresh())],
  reused: async () => {
    const token = await fresh();
    return [await post("/api/example-protected", token), await post("/api/example-protected", token)];
  },
  long: async () => [await post("/api/example-protected", await fresh(), "x".repeat(200))],
  signIn: async () => [await post("/api/sign-in", await fresh())],
  guess: async () => {
    const answers = [];
    for (let guess = 0; guess < 12; guess += 1) answers.push(await password("nobody", `guess-${guess}`));
    return answers;
  },
  password: async () => [await password("demo-user", "demo")],
  signOut: async () => [await post("/api/sign-out", await fresh())],
  account: async () => [await post("/api/example-account", await fresh())],
  spelling: async () => [await fetch("/API/test-rate-limit")],
  method: async () => [await fetch("/api/test-rate-limit", { method: "DELETE" })],
  boom: async () => [await fetch("/api/boom")],
};

const line = (text, kind) => {
  const span = document.createElement("span");
  span.className = kind;
  span.textContent = text;
  return span;
};

const show = async (output, responses) => {
  output.replaceChildren();
  for (const response of responses) {
    const retry = response.headers.get("retry-after");
    const text = await response.text();
    output.append(line(`${response.status} `, response.ok ? "ok" : "no"));
    if (responses.length < 4) {
      output.append(`${text}\n`);
      const limit = response.headers.get("ratelimit");
      if (limit) output.append(`RateLimit: ${limit}\n`);
    } else if (retry) {
      output.dataset.retry = retry;
    }
  }
  if (responses.length >= 4) {
    const last = responses.at(-1);
    output.append(`\nRateLimit-Policy: ${last.headers.get("ratelimit-policy")}`);
    if (output.dataset.retry) output.append(`\nRetry-After: ${output.dataset.retry}`);
  }
};

for (const button of document.querySelectorAll("button[data-try]")) {
  button.addEventListener("click", async () => {
    const output = button.closest("section").querySelector("output");
    try {
      await show(output, await tries[button.dataset.try]());
    } catch (error) {
      output.replaceChildren(line(String(error), "no"));
    }
  });
}
