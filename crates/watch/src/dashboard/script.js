// The front page follows what happens; a one-time code behind the # signs in. Everything else works without this file.
'use strict';

/** A code that the link carried where no server sees it: into the form, out of the address, and sent by POST. */
function signIn(form) {
  const code = decodeURIComponent(location.hash.slice(1));
  if (!code) return;
  history.replaceState(null, '', location.pathname);
  form.elements.token.value = code;
  form.requestSubmit();
}

/** Whole states come; between two the page may be read at leisure. */
function follow(place) {
  const count = document.getElementById('open');
  const link = document.getElementById('link');
  let waiting = null;
  const show = () => {
    if (waiting === null || place.contains(document.activeElement)) return;
    const open = new Set([...place.querySelectorAll('details')].flatMap((it, at) => (it.open ? [at] : [])));
    // Made by this page's own server, which encodes what strangers wrote.
    place.innerHTML = waiting;
    place.querySelectorAll('details').forEach((it, at) => { it.open = open.has(at); });
    waiting = null;
  };
  place.addEventListener('focusout', () => setTimeout(show, 0));
  const connect = () => {
    const source = new EventSource('/live');
    source.onopen = () => { link.textContent = 'Live.'; };
    source.addEventListener('live', (event) => { waiting = event.data; show(); });
    source.addEventListener('open', (event) => {
      count.textContent = event.data;
      count.hidden = event.data === '0';
    });
    source.onerror = () => {
      link.textContent = 'Not live: the gate does not answer. Trying again.';
      // A browser comes back by itself, unless it was refused.
      if (source.readyState === EventSource.CLOSED) setTimeout(connect, 5000);
    };
  };
  connect();
}

const form = document.getElementById('sign-in');
if (form) signIn(form);
const place = document.getElementById('live');
if (place) follow(place);
