import { headers } from 'next/headers';
import ContactFields from '../../components/ContactFields';
import ContactByFetch from '../../components/ContactByFetch';

export const metadata = { title: 'Contact' };

const OUTCOMES: Record<string, { className: string; text: string }> = {
  yes: { className: 'good', text: 'Thank you, your message has arrived.' },
  no: { className: 'bad', text: 'Please fill in name, e-mail address and message.' },
};

export default async function Contact({ searchParams }: PageProps<'/contact'>) {
  const token = (await headers()).get('x-palisade-csrf-token');
  const outcome = OUTCOMES[String((await searchParams).sent)];

  return (
    <>
      <h1>Contact</h1>
      <p className="lead">Two ways to the same address: a plain form, and one that a script sends.</p>
      {outcome && <p role="status" className={`panel ${outcome.className}`}>{outcome.text}</p>}
      <div className="columns">
        <section aria-labelledby="plain">
          <h2 id="plain">Plain form</h2>
          <form className="panel" id="plain-form" method="post" action="/api/contact">
            {/* The gate puts a fresh token on each document navigation that it passes on. */}
            <input type="hidden" name="_csrf" defaultValue={token ?? ''} />
            <ContactFields prefix="plain" />
            <button type="submit">Send</button>
            {!token && <p className="quiet">This page was loaded without the gate, so the form has no token.</p>}
          </form>
        </section>
        <section aria-labelledby="scripted">
          <h2 id="scripted">With a script</h2>
          <ContactByFetch />
        </section>
      </div>
    </>
  );
}
