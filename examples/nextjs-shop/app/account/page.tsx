import { auth } from '@clerk/nextjs/server';
import { headers } from 'next/headers';
import { redirect } from 'next/navigation';

export const metadata = { title: 'Account', robots: { index: false } };

const OUTCOMES: Record<string, { className: string; text: string }> = {
  yes: { className: 'good', text: 'Saved.' },
  no: { className: 'bad', text: 'A name has 1 to 100 characters.' },
};

/** What the gate verified and passes on. No client can send these: the gate drops its own names from requests. */
const FROM_THE_GATE = {
  'x-palisade-user': 'User',
  'x-palisade-session': 'Session',
  'x-palisade-org': 'Organization',
  'x-palisade-role': 'Roles',
  'x-palisade-plans': 'Plans',
  'x-palisade-admitted': 'Signed by the gate',
};

export default async function Account({ searchParams }: PageProps<'/account'>) {
  // The gate lets nobody through who is not signed in. Asked again, because the app may run without it.
  const { userId, has } = await auth();
  if (!userId) redirect('/sign-in');
  const sent = await headers();
  const token = sent.get('x-palisade-csrf-token');
  const outcome = OUTCOMES[String((await searchParams).saved)];

  return (
    <>
      <h1>Your account</h1>
      <p className="lead">
        Signed in as <strong id="clerk-user">{userId}</strong>, {has({ plan: 'pro' }) ? 'on the plan pro' : 'not on the plan pro'}.
      </p>
      {outcome && <p role="status" className={`panel ${outcome.className}`}>{outcome.text}</p>}
      <div className="columns">
        <section aria-labelledby="form">
          <h2 id="form">Name on your orders</h2>
          <form className="panel" method="post" action="/api/example-account">
            <input type="hidden" name="_csrf" defaultValue={token ?? ''} />
            <label htmlFor="title">Name</label>
            <input id="title" name="title" maxLength={100} autoComplete="name" required />
            <button type="submit">Save</button>
          </form>
          <p><a href="/api/pro/offers">Offers for the plan pro</a></p>
        </section>
        <section aria-labelledby="gate">
          <h2 id="gate">What the gate says of you</h2>
          <dl className="panel facts">
            {Object.entries(FROM_THE_GATE).map(([name, label]) => (
              <div key={name}>
                <dt>{label}</dt>
                <dd id={name}>{sent.get(name) ?? '–'}</dd>
              </div>
            ))}
          </dl>
        </section>
      </div>
    </>
  );
}
