// One event of the log, whole: what #event-<offset> in the address opens.
import { at, h } from './elements.js';

const dialog = at('event');
/** Where the focus goes when the event is closed. */
let cameFrom = '';

async function showEvent() {
  const offset = /^#event-(\d+)$/.exec(location.hash)?.[1];
  if (offset === undefined) {
    if (dialog.open) dialog.close();
    return;
  }
  if (!dialog.open) cameFrom = document.activeElement?.id ?? '';
  at('event-title').textContent = `Event at offset ${offset}`;
  at('event-raw').href = `/console/event/${offset}`;
  at('event-place').replaceChildren();
  at('event-json').textContent = 'Reading it from the log …';
  if (!dialog.open) dialog.showModal();
  try {
    const answer = await fetch(`/console/event/${offset}`);
    const event = await answer.json();
    if (!answer.ok) throw new Error(event.error);
    // another one was asked for in the meantime
    if (location.hash !== `#event-${offset}`) return;
    const fact = (term, words) => h('div', {}, h('dt', {}, term), h('dd', {}, String(words)));
    at('event-title').textContent = event.event;
    at('event-place').replaceChildren(
      fact('Topic', event.topic),
      fact('Partition', event.partition),
      fact('Offset', event.offset),
      fact('Written (UTC)', event.written.replace('T', ' ').slice(0, 19)),
    );
    at('event-json').textContent = JSON.stringify(event.value, opened, 2);
  } catch (error) {
    at('event-json').textContent = `The event could not be read: ${error.message}`;
  }
}

/** JSON inside a string (specs, manifests) is easier to read opened; the raw event is one link away. */
function opened(_key, value) {
  if (typeof value !== 'string' || !/^[[{]/.test(value)) return value;
  try {
    return JSON.parse(value);
  } catch {
    return value;
  }
}

export function followAddress() {
  // closing takes the event out of the address, so that a reload does not open it again
  dialog.addEventListener('close', () => {
    if (location.hash.startsWith('#event-')) history.replaceState(null, '', location.pathname);
    at(cameFrom)?.focus({ preventScroll: true });
  });
  // a click beside the box closes it
  dialog.addEventListener('click', (event) => event.target === dialog && dialog.close());
  at('event-close').addEventListener('click', () => dialog.close());
  addEventListener('hashchange', showEvent);
  showEvent();
}
