/**
 * Cards in columns. A card stays in its column for as long as the columns stay: what is new comes in
 * above, the column moves down, and no other card changes its place.
 *
 * @import {Tweet} from "./resource.js"
 * @typedef {(tweet: Tweet) => HTMLElement} Render
 */

import { element } from "./dom.js";
import { enter, glide, placesOf } from "./motion.js";

const FRESH = 2_500;

export class Columns {
  #root;
  #render;
  /** @type {HTMLElement[]} */
  #columns = [];
  /** @type {Map<string, HTMLElement>} */
  #cards = new Map();
  /** @type {Map<string, Tweet>} */
  #shown = new Map();
  /** @type {Tweet[]} */
  #tweets = [];

  /**
   * @param {HTMLElement} root
   * @param {Render} render
   */
  constructor(root, render) {
    this.#root = root;
    this.#render = render;
  }

  /** @param {string} id */
  has(id) {
    return this.#cards.has(id);
  }

  /**
   * Makes the wall show these tweets, newest first, and no others.
   *
   * @param {Tweet[]} tweets
   * @param {{keepPlace: boolean}} options whether a reader is somewhere down the page
   */
  show(tweets, { keepPlace }) {
    this.#tweets = tweets;
    const before = placesOf(this.#cards);
    const isFirst = this.#cards.size === 0;
    this.#remove(tweets);
    this.#replace(tweets);
    this.#setColumns(tweets);
    const added = this.#add(tweets);
    if (keepPlace) this.#scrollBack(before);
    else glide(this.#cards, before);
    added.forEach(enter);
    if (!isFirst) frame(added);
  }

  /** Fits the columns to a window of another size. */
  refit() {
    this.#setColumns(this.#tweets);
  }

  /** @param {Tweet[]} tweets */
  #remove(tweets) {
    const wanted = new Set(tweets.map((tweet) => tweet.id));
    for (const [id, card] of this.#cards) {
      if (wanted.has(id)) continue;
      card.remove();
      this.#cards.delete(id);
      this.#shown.delete(id);
    }
  }

  /** @param {Tweet[]} tweets */
  #replace(tweets) {
    for (const tweet of tweets) {
      const card = this.#cards.get(tweet.id);
      if (!card || this.#shown.get(tweet.id) === tweet) continue;
      const renewed = this.#keep(tweet);
      card.replaceWith(renewed);
    }
  }

  /** @param {Tweet} tweet */
  #keep(tweet) {
    const card = this.#render(tweet);
    this.#cards.set(tweet.id, card);
    this.#shown.set(tweet.id, tweet);
    return card;
  }

  /**
   * @param {Tweet[]} tweets
   * @returns {HTMLElement[]} the new cards
   */
  #add(tweets) {
    const order = orderOf(tweets);
    return tweets
      .filter((tweet) => !this.#cards.has(tweet.id))
      .map((tweet) => this.#place(this.#keep(tweet), order));
  }

  /**
   * @param {HTMLElement} card
   * @param {Map<string, number>} order
   */
  #place(card, order) {
    const column = this.#columns.reduce((a, b) => (b.offsetHeight < a.offsetHeight ? b : a));
    const position = order.get(card.dataset.id ?? "") ?? 0;
    const cards = /** @type {HTMLElement[]} */ ([...column.children]);
    const next = cards.find((other) => (order.get(other.dataset.id ?? "") ?? 0) > position);
    column.insertBefore(card, next ?? null);
    return card;
  }

  /**
   * As many columns as fit, but no more than there are posts: a few posts stand in the middle.
   *
   * @param {Tweet[]} tweets newest first
   */
  #setColumns(tweets) {
    const fitting = this.#fitting();
    this.#root.classList.toggle("sparse", fitting > 1 && tweets.length <= fitting);
    const count = Math.max(1, Math.min(fitting, tweets.length));
    if (count === this.#columns.length) return;
    this.#columns = Array.from({ length: count }, () => element("div", { class: "column" }));
    this.#root.style.setProperty("--columns", String(count));
    this.#root.replaceChildren(...this.#columns);
    const order = orderOf(tweets);
    for (const tweet of tweets) {
      const card = this.#cards.get(tweet.id);
      if (card) this.#place(card, order);
    }
  }

  /** The stylesheet says how wide a column is at least: the ruler's tracks are those that fit. */
  #fitting() {
    const ruler = element("div", { class: "columns ruler" });
    this.#root.before(ruler);
    const tracks = getComputedStyle(ruler).gridTemplateColumns.split(" ").length;
    ruler.remove();
    return tracks;
  }

  /**
   * The topmost card in view stays where it is, whatever went or came above it.
   *
   * @param {import("./motion.js").Places} before
   */
  #scrollBack(before) {
    for (const [id, place] of [...before].sort(([, a], [, b]) => a.top - b.top)) {
      const card = this.#cards.get(id);
      if (!card) continue;
      scrollBy({ top: card.getBoundingClientRect().top - place.top, behavior: "instant" });
      return;
    }
  }
}

/** @param {HTMLElement[]} cards */
function frame(cards) {
  for (const card of cards) card.classList.add("fresh");
  setTimeout(() => cards.forEach((card) => card.classList.remove("fresh")), FRESH);
}

/** @param {Tweet[]} tweets */
const orderOf = (tweets) => new Map(tweets.map((tweet, index) => [tweet.id, index]));
