/**
 * Movement of cards: where they were, where they are, and the way in between (FLIP). Only what can be
 * seen moves, and nothing for those who asked for rest.
 */

const GLIDE = { duration: 620, easing: "cubic-bezier(.22, .9, .26, 1)" };
/** @type {KeyframeAnimationOptions} */
const ENTER = { duration: 700, easing: "cubic-bezier(.22, .9, .26, 1)", fill: "backwards" };

/** @typedef {Map<string, DOMRect>} Places */

export const isCalm = () => matchMedia("(prefers-reduced-motion: reduce)").matches;

/**
 * @param {Map<string, HTMLElement>} cards by id
 * @returns {Places}
 */
export function placesOf(cards) {
  /** @type {Places} */
  const places = new Map();
  for (const [id, card] of cards) {
    const place = card.getBoundingClientRect();
    if (isInView(place)) places.set(id, place);
  }
  return places;
}

/**
 * @param {Map<string, HTMLElement>} cards
 * @param {Places} before
 */
export function glide(cards, before) {
  if (isCalm()) return;
  const moving = [...before].flatMap(([id, from]) => {
    const card = cards.get(id);
    return card ? [{ card, from }] : [];
  });
  for (const { card } of moving) stop(card);
  for (const { card, from } of moving) move(card, from, card.getBoundingClientRect());
}

/** @param {HTMLElement} card */
function stop(card) {
  for (const animation of card.getAnimations()) {
    if (animation.id === "glide") animation.cancel();
  }
}

/**
 * @param {HTMLElement} card
 * @param {DOMRect} from
 * @param {DOMRect} to
 */
function move(card, from, to) {
  const x = from.left - to.left;
  const y = from.top - to.top;
  if (Math.abs(x) < 1 && Math.abs(y) < 1) return;
  const frames = [{ transform: `translate(${x}px, ${y}px)` }, { transform: "none" }];
  card.animate(frames, { ...GLIDE, id: "glide" });
}

/**
 * @param {HTMLElement} card
 * @param {number} order cards that come together come one after the other
 */
export function enter(card, order) {
  if (isCalm()) return;
  const frames = [
    { opacity: 0, transform: "translateY(-1.75rem) scale(.96)" },
    { opacity: 1, transform: "none" },
  ];
  card.animate(frames, { ...ENTER, delay: 80 + Math.min(order, 12) * 45 });
}

/** @param {DOMRect} place */
const isInView = (place) => place.bottom > 0 && place.top < innerHeight;
