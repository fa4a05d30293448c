'use client';

import { useState } from 'react';

export default function OpeningHours() {
  const [open, setOpen] = useState(false);
  return (
    <section className="panel">
      <button type="button" aria-expanded={open} aria-controls="hours" onClick={() => setOpen(!open)}>
        {open ? 'Hide opening hours' : 'Show opening hours'}
      </button>
      <p id="hours" hidden={!open}>Tuesday to Friday 9 to 17, Saturday 9 to 13.</p>
    </section>
  );
}
