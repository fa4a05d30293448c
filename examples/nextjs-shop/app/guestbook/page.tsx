import { connection } from 'next/server';
import GuestbookForm from '../../components/GuestbookForm';
import { entries } from '../../lib/guestbook';

export const metadata = { title: 'Guestbook' };

export default async function Guestbook() {
  await connection();
  const list = entries();
  return (
    <>
      <h1>Guestbook</h1>
      <p className="lead">Leave a line. It is gone when the shop restarts.</p>
      <GuestbookForm />
      <section aria-labelledby="entries">
        <h2 id="entries">What others wrote</h2>
        {list.length === 0 ? (
          <p>Nobody yet.</p>
        ) : (
          <ul className="entries">
            {list.map((entry, position) => (
              <li className="panel" key={list.length - position}>
                <p>{entry.text}</p>
                <p className="quiet">{entry.name}</p>
              </li>
            ))}
          </ul>
        )}
      </section>
    </>
  );
}
