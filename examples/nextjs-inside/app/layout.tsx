import type { Metadata } from 'next';
import { connection } from 'next/server';
import type { ReactNode } from 'react';

export const metadata: Metadata = { title: 'The gate within' };

export default async function RootLayout({ children }: { children: ReactNode }) {
  // Rendered for each visitor: a page made ahead cannot carry the nonce by which its scripts may run.
  await connection();
  return (
    <html lang="en">
      <body>{children}</body>
    </html>
  );
}
