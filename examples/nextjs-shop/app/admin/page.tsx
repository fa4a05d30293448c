import { connection } from 'next/server';
import { restock } from './actions';

export const metadata = { title: 'Admin', robots: { index: false } };

export default async function Admin() {
  await connection();
  return (
    <>
      <h1>Stock</h1>
      <p className="lead">The action behind this button belongs to this page alone.</p>
      <form className="panel" action={restock}>
        <label htmlFor="amount">Panels to order</label>
        <input id="amount" name="amount" type="number" min="1" max="99" defaultValue="10" required />
        <button type="submit">Restock</button>
      </form>
    </>
  );
}
