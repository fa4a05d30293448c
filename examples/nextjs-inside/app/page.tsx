export default function Page() {
  return (
    <main>
      <h1>hello</h1>
    </main>
  );
}
