import { greet } from './actions';

export default function Page() {
  return (
    <form action={greet}>
      <input name="name" defaultValue="ann" />
      <button type="submit">greet</button>
    </form>
  );
}
