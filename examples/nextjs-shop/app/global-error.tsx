'use client';

import './globals.css';

// Stands in for the layout when the layout itself fails.
export default function GlobalError() {
  return (
    <html lang="en">
      <body>
        <main id="main">
          <h1>Something went wrong</h1>
          <p className="lead">The shop could not show this page. Please come back later.</p>
        </main>
      </body>
    </html>
  );
}
