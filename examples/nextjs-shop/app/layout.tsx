import type { Metadata } from 'next';
import Link from 'next/link';
import type { ReactNode } from 'react';
import './globals.css';

export const metadata: Metadata = {
  title: { default: 'Fence & Gate', template: '%s · Fence & Gate' },
  description: 'An example shop behind the Palisade gate.',
};

export default function RootLayout({ children }: { children: ReactNode }) {
  return (
    <html lang="en">
      <body>
        <a className="skip" href="#main">Skip to content</a>
        <header className="site">
          <div className="bar">
            <Link className="brand" href="/">Fence &amp; Gate</Link>
            <nav aria-label="Main">
              <Link href="/">Shop</Link>
              <Link href="/about">About</Link>
              <Link href="/guestbook">Guestbook</Link>
              {/* A full page load on purpose: only a document navigation brings the form's
                  CSRF token, Next's own client-side navigation does not. */}
              <a href="/contact">Contact</a>
              <Link href="/admin" prefetch={false}>Admin</Link>
              <a href="/account">Account</a>
            </nav>
          </div>
        </header>
        <main id="main">{children}</main>
        <footer className="site">
          <p>An example app of the Palisade project. Nothing here is for sale.</p>
        </footer>
      </body>
    </html>
  );
}
