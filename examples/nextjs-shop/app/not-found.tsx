import Link from 'next/link';

export const metadata = { title: 'Not found' };

// Next's built-in page styles itself by style attributes, which a strict CSP refuses.
export default function NotFound() {
  return (
    <>
      <h1>Page not found</h1>
      <p className="lead">There is nothing at this address.</p>
      <p><Link href="/">Back to the shop</Link></p>
    </>
  );
}
