'use client';

export default function ErrorPage({ reset }: { reset: () => void }) {
  return (
    <>
      <h1>Something went wrong</h1>
      <p className="lead">The shop could not show this page.</p>
      <p><button type="button" onClick={reset}>Try again</button></p>
    </>
  );
}
