export const metadata = { title: 'Sign in' };

export default function SignIn() {
  return (
    <>
      <h1>Please sign in</h1>
      <p className="lead">Your session is over, or there was none.</p>
      <p className="panel">
        In an app with a Clerk account, Clerk&rsquo;s <code>&lt;SignIn /&gt;</code> stands here. This example works without
        a network: <code>npm run session</code> prints a session to paste into the browser&rsquo;s console.
      </p>
    </>
  );
}
