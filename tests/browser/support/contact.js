/** Fills in one of the two contact forms; `prefix` is "plain" or "fetch". */
export async function fillIn(page, prefix, name) {
  await page.fill(`#${prefix}-name`, name);
  await page.fill(`#${prefix}-email`, `${name.toLowerCase()}@example.com`);
  await page.fill(`#${prefix}-message`, 'How wide is the oak gate?');
}
