/**
 * The merge: what is on the wall, whatever order it arrives in and however often.
 *
 * Each resource comes with the moment it is known to be true at, in milliseconds of the server's
 * clock: when a message was published, when an answer of the REST API was asked for. A delete goes
 * before a tweet of the same moment or an earlier one, and only a tweet known to be newer (a moderator
 * shows it again) lifts it.
 *
 * @import {Resource, Tweet} from "./resource.js"
 * @typedef {{tweet: Tweet, moment: number}} Entry
 */

const MAX_DELETES = 5000;

export class Tweets {
  #limit;
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  /** @type {Map<string, number>} */
  #deletes = new Map();
  /** @type {Tweet[] | null} */
  #sorted = null;

  /** @param {{limit: number}} options */
  constructor({ limit }) {
    this.#limit = limit;
  }

  get size() {
    return this.newest().length;
  }

  /**
   * @param {Resource} resource
   * @param {number} moment
   */
  merge(resource, moment) {
    if (typeof resource.id !== "string") return;
    if (resource.type === "delete") this.#delete(resource.id, moment);
    if (isTweet(resource)) this.#keep(resource, moment);
  }

  /** The tweets to show, newest first. */
  newest(count = this.#limit) {
    this.#sorted ??= this.#sort();
    return this.#sorted.slice(0, count);
  }

  /**
   * @param {string} id
   * @param {number} moment
   */
  #delete(id, moment) {
    // A delete of unknown age must never lose against a tweet.
    const deleted = Number.isNaN(moment) ? Infinity : moment;
    this.#deletes.set(id, Math.max(deleted, this.#deletes.get(id) ?? -Infinity));
    if (this.#deletes.size > MAX_DELETES) forgetFirst(this.#deletes);
    this.#sorted = null;
  }

  /**
   * @param {Tweet} tweet
   * @param {number} moment
   */
  #keep(tweet, moment) {
    const known = this.#entries.get(tweet.id);
    const arrived = { tweet, moment: Number.isNaN(moment) ? -Infinity : moment };
    this.#entries.set(tweet.id, known ? newer(known, arrived) : arrived);
    this.#sorted = null;
  }

  #sort() {
    const shown = [...this.#entries.values()]
      .filter((entry) => !this.#isDeleted(entry))
      .map(({ tweet }) => tweet)
      .sort(byNewest)
      .slice(0, this.#limit);
    this.#forgetAllBut(shown);
    return shown;
  }

  /** @param {Entry} entry */
  #isDeleted({ tweet, moment }) {
    const deleted = this.#deletes.get(tweet.id);
    return deleted !== undefined && moment <= deleted;
  }

  /**
   * A deleted tweet's text is forgotten with it; its delete stays, in case the tweet comes once more.
   *
   * @param {Tweet[]} shown
   */
  #forgetAllBut(shown) {
    const kept = new Set(shown.map((tweet) => tweet.id));
    for (const id of this.#entries.keys()) if (!kept.has(id)) this.#entries.delete(id);
  }
}

/**
 * @param {Resource} resource
 * @returns {resource is Tweet}
 */
const isTweet = (resource) =>
  resource.type === "tweet" &&
  typeof resource.version === "string" &&
  typeof resource.created_at === "string";

/** @param {Map<string, unknown>} map */
function forgetFirst(map) {
  for (const key of map.keys()) {
    map.delete(key);
    return;
  }
}

/**
 * @param {Entry} known
 * @param {Entry} arrived
 * @returns {Entry}
 */
function newer(known, arrived) {
  const order =
    compareIds(arrived.tweet.version, known.tweet.version) || arrived.moment - known.moment;
  const moment = Math.max(known.moment, arrived.moment);
  // A repeat keeps the object that is shown: its card, and a video playing in it, stay untouched.
  const repeated = JSON.stringify(known.tweet) === JSON.stringify(arrived.tweet);
  return { tweet: order < 0 || repeated ? known.tweet : arrived.tweet, moment };
}

/**
 * @param {Tweet} a
 * @param {Tweet} b
 */
function byNewest(a, b) {
  // ISO moments of one format and zone: their order as text is their order in time.
  if (a.created_at !== b.created_at) return a.created_at < b.created_at ? 1 : -1;
  return compareIds(b.id, a.id);
}

/**
 * Ids are numbers too long for a JavaScript number: the longer one is larger.
 *
 * @param {string} a
 * @param {string} b
 */
export function compareIds(a, b) {
  if (a.length !== b.length) return a.length - b.length;
  return a < b ? -1 : Number(a > b);
}
