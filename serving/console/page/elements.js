// Making and redrawing elements. Everything is text from the log: it is never parsed as HTML.
const SVG = 'http://www.w3.org/2000/svg';

/** An element; attributes whose value is null or false are left out, children that are null too. */
export function h(name, attributes = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith('on')) element.addEventListener(key.slice(2), value);
    else if (value !== null && value !== false) element.setAttribute(key, String(value));
  }
  element.append(...children.filter((child) => child !== null));
  return element;
}

export function svg(name, attributes = {}, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null) element.setAttribute(key, String(value));
  element.append(...children);
  return element;
}

export const at = (id) => document.getElementById(id);
export const empty = (...words) => h('p', { class: 'empty' }, ...words);

const drawn = new WeakMap();
/** What waits until the pointer is let go: a slider is not taken from under a finger. */
const waiting = new Map();
let pressed = false;

addEventListener('pointerdown', () => (pressed = true), true);
for (const end of ['pointerup', 'pointercancel'])
  addEventListener(
    end,
    () => {
      pressed = false;
      // after the click that this may become
      setTimeout(() => {
        for (const [place, draw] of waiting) if (waiting.delete(place)) draw();
      });
    },
    true,
  );

/** Draws a part anew if what it shows is not what it showed; the focus stays where it was. */
export function draw(place, what, make) {
  const key = JSON.stringify(what);
  if (drawn.get(place) === key) return;
  if (pressed) {
    waiting.set(place, () => draw(place, what, make));
    return;
  }
  waiting.delete(place);
  drawn.set(place, key);
  const focused = place.contains(document.activeElement) ? document.activeElement.id : '';
  place.replaceChildren(...make().filter((child) => child !== null));
  if (focused !== '') at(focused)?.focus({ preventScroll: true });
}

/** Makes the children of `parent` those of `items`, [key, value] in order. What stays is not touched: the page does not jump. */
export function keyed(parent, items, make) {
  const known = new Map([...parent.children].map((child) => [child.dataset.key, child]));
  let next = parent.firstElementChild;
  for (const [key, value] of items) {
    const child = known.get(key) ?? make(value);
    known.delete(key);
    child.dataset.key = key;
    if (child === next) next = next.nextElementSibling;
    else parent.insertBefore(child, next);
  }
  for (const left of known.values()) left.remove();
}
