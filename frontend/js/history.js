/**
 * What the REST API knows: the first page, and after that only what has changed since.
 *
 * @import {Resource} from "./resource.js"
 * @typedef {{results: Resource[], after?: string, more?: boolean}} Page
 * @typedef {(resource: Resource, moment: number) => void} Deliver
 */

import { channelFilter } from "./channels.js";

const FIRST_PAGE = 60;
const NEXT_PAGE = 200;
const TIMEOUT = 15_000;
/**
 * Milliseconds that what has changed may be older than its being asked for: walls that ask the same within a
 * second are given one answer, see nginx/front.conf.
 */
export const MAX_AGE = 1_500;

export class History {
  #filters;
  /** @type {Map<Record<string, string>, string>} */
  #cursors = new Map();

  /** @param {string[]} channels */
  constructor(channels) {
    const filters = channels.map(channelFilter).filter((filter) => filter !== null);
    const everything = filters.find((filter) => Object.keys(filter).length === 0);
    this.#filters = everything ? [everything] : filters;
  }

  /** Whether a next call asks for changes, which may be MAX_AGE old. */
  get hasBegun() {
    return this.#cursors.size > 0;
  }

  /**
   * Fetches what is new since the last call that succeeded. Rejects when the API cannot be read.
   *
   * @param {Deliver} deliver
   * @param {AbortSignal} signal
   */
  async read(deliver, signal) {
    await Promise.all(this.#filters.map((filter) => this.#readList(filter, deliver, signal)));
  }

  /**
   * @param {Record<string, string>} filter
   * @param {Deliver} deliver
   * @param {AbortSignal} signal
   */
  async #readList(filter, deliver, signal) {
    let page;
    do {
      const after = this.#cursors.get(filter);
      /** @type {Record<string, string>} */
      const start = after ? { after, limit: String(NEXT_PAGE) } : { limit: String(FIRST_PAGE) };
      try {
        page = await readPage({ ...filter, ...start }, deliver, signal);
      } catch (error) {
        // A cursor may be refused for good (another database): the next call starts over.
        if (error instanceof Refused) this.#cursors.delete(filter);
        throw error;
      }
      if (page.after) this.#cursors.set(filter, page.after);
    } while (page.more);
  }
}

class Refused extends Error {}

/**
 * @param {Record<string, string>} query
 * @param {Deliver} deliver
 * @param {AbortSignal} signal
 * @returns {Promise<Page>}
 */
async function readPage(query, deliver, signal) {
  const asked = Date.now();
  const response = await fetch(`/api/tweets/?${new URLSearchParams(query)}`, {
    cache: "no-store",
    signal: AbortSignal.any([signal, AbortSignal.timeout(TIMEOUT)]),
  });
  if (response.status === 400) throw new Refused("status 400");
  if (!response.ok) throw new Error(`status ${response.status}`);
  /** @type {Page} */
  const page = await response.json();
  const date = response.headers.get("Date") ?? "";
  const moment = momentOf(date, Date.now() - asked, query.after ? MAX_AGE : 0);
  for (const resource of page.results) {
    // What is hidden stays hidden: a delete goes before all that this wall can have learned until now.
    deliver(resource, resource.type === "delete" ? Date.parse(date) : moment);
  }
  return page;
}

/**
 * A moment by the server's clock since which the answer may have missed a delete.
 *
 * Both dates, of the answer and of a published message, leave out the fraction of their second: an answer
 * that began half a second after a delete's whole second need not have seen it.
 *
 * @param {string} date when the answer was given, an HTTP date
 * @param {number} duration milliseconds from asking to the answer
 * @param {number} age milliseconds that the answer may be older than that
 */
export const momentOf = (date, duration, age) => Date.parse(date) - duration - age - 1_000;
