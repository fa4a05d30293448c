/** The fields of both forms; `prefix` keeps the ids of one page apart. */
export default function ContactFields({ prefix }: { prefix: string }) {
  return (
    <>
      <label htmlFor={`${prefix}-name`}>Name</label>
      <input id={`${prefix}-name`} name="name" maxLength={100} autoComplete="name" required />
      <label htmlFor={`${prefix}-email`}>E-mail address</label>
      <input id={`${prefix}-email`} name="email" type="email" maxLength={200} autoComplete="email" required />
      <label htmlFor={`${prefix}-message`}>Message</label>
      <textarea id={`${prefix}-message`} name="message" rows={4} maxLength={2000} required />
    </>
  );
}
