import { connection } from 'next/server';
import Basket from '../components/Basket';
import { products } from '../lib/products';

export default async function Home() {
  // Rendered for each request, so that the page can carry a nonce.
  await connection();
  const time = new Date().toISOString().slice(11, 16);

  return (
    <>
      <h1>Good fences</h1>
      <p className="lead">Gates, panels and fittings from the joinery. Prices as of {time} UTC.</p>
      <ul className="cards">
        {products.map((product) => (
          <li className="card" key={product.id}>
            <h2>{product.name}</h2>
            <p>{product.text}</p>
            <p className="price">{product.price}</p>
            <Basket name={product.name} />
          </li>
        ))}
      </ul>
    </>
  );
}
