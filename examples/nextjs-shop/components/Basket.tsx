'use client';

import { useState } from 'react';

export default function Basket({ name }: { name: string }) {
  const [count, setCount] = useState(0);
  return (
    <p className="row">
      <button type="button" onClick={() => setCount(count + 1)} aria-label={`Add ${name} to the basket`}>
        Add to basket
      </button>
      <output aria-label={`${name} in the basket`}>{count}</output>
    </p>
  );
}
