import OpeningHours from '../../components/OpeningHours';

export const metadata = { title: 'About' };

// Nothing here depends on the request: Next renders this page once, at build time.
export default function About() {
  return (
    <>
      <h1>About the joinery</h1>
      <p className="lead">Three people, one workshop, and timber from forests within a day&rsquo;s drive.</p>
      <p>
        We build gates and fences to measure. Every piece leaves the workshop oiled and with its fittings
        mounted, so that two people can set it up in an afternoon.
      </p>
      <OpeningHours />
    </>
  );
}
