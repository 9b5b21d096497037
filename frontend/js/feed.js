/**
 * The connection. Opening the page, a lost line, a restarted server and a laptop's lid are one and the
 * same path: subscribe, catch up through the REST API, merge.
 *
 * @import {Resource} from "./resource.js"
 * @import {Deliver, History} from "./history.js"
 * @typedef {"connecting" | "live" | "reconnecting" | "offline"} State
 * @typedef {{id: number, channel: string, text: Resource, tag: string, time: string,
 *   eventid: string}} Envelope
 * @typedef {{channels: string[], eventsUrl: string, history: History, deliver: Deliver,
 *   onState: (state: State) => void, onCaughtUp: () => void}} FeedOptions
 */

import { MAX_AGE } from "./history.js";

const FIRST_DELAY = 1_000;
const MAX_DELAY = 20_000;
const CONNECT_TIMEOUT = 10_000;
// A connection that did not last this long is one more failure, not a success.
const STEADY = 10_000;
// The server ends every connection after some minutes, and taking it up again is a matter of a second:
// not worth a word on the wall.
const GRACE = 3_000;
// The node keeps a message for 15 minutes: an older event id replays nothing that REST does not have.
const RESUMABLE = 10 * 60_000;
// The server's pings are invisible here, so silence proves nothing. A connection silent for longer than
// the server lets any live is dead, or about to be renewed anyway.
const SILENCE = 5 * 60_000;
const SLEPT = 60_000;
// Milliseconds over which walls that come back together ask for what they missed.
const SPREAD = 2_000;

/**
 * Full jitter: after a restart a thousand walls spread over the whole delay.
 *
 * @param {number} attempt failures in a row
 * @param {number} chance 0 to 1
 */
export const backOff = (attempt, chance) =>
  chance * Math.min(MAX_DELAY, FIRST_DELAY * 2 ** attempt);

/**
 * Milliseconds from the connection to asking for what was missed. An answer that is shared with others may
 * be a little old: asked for at once, it could be older than the connection, and what was published between
 * the two would be in neither.
 *
 * @param {number} chance 0 to 1
 */
export const settle = (chance) => MAX_AGE + chance * SPREAD;

/**
 * @param {string} eventsUrl what stands before /events/; empty for this page's own origin
 * @param {string[]} channels
 * @param {string} eventId
 * @param {string} page address of this page
 */
export function subscribeUrl(eventsUrl, channels, eventId, page) {
  const url = new URL(`${eventsUrl.replace(/\/+$/, "")}/events/ws/${channels.join("/")}`, page);
  url.protocol = url.protocol.replace("http", "ws");
  if (eventId) url.searchParams.set("eventid", eventId);
  // The module reads %20 as a space, + as a plus.
  return url.href.replaceAll("+", "%20");
}

export class Feed {
  #options;
  /** @type {WebSocket | null} */
  #socket = null;
  #attempt = 0;
  #opened = 0;
  #hidden = 0;
  #last = { eventId: "", moment: -Infinity };
  /** @type {State | null} */
  #state = null;
  #catchUp = new AbortController();
  #connectTimer = 0;
  #graceTimer = 0;
  #silenceTimer = 0;
  #catchUpTimer = 0;

  /** @param {FeedOptions} options */
  constructor(options) {
    this.#options = options;
  }

  start() {
    addEventListener("online", () => this.#renew());
    addEventListener("offline", () => this.#renew());
    document.addEventListener("visibilitychange", () => this.#seen());
    this.#show("connecting");
    this.#connect();
  }

  #connect() {
    this.#drop();
    const { eventsUrl, channels } = this.#options;
    const resumable = Date.now() - this.#last.moment < RESUMABLE;
    const eventId = resumable ? this.#last.eventId : "";
    const socket = new WebSocket(subscribeUrl(eventsUrl, channels, eventId, location.href));
    this.#socket = socket;
    this.#connectTimer = setTimeout(() => this.#lost(), CONNECT_TIMEOUT);
    socket.onopen = () => this.#open();
    socket.onmessage = (event) => this.#receive(event.data);
    socket.onclose = () => this.#lost();
  }

  #open() {
    clearTimeout(this.#connectTimer);
    clearTimeout(this.#graceTimer);
    this.#graceTimer = 0;
    this.#opened = Date.now();
    this.#listen();
    this.#show("live");
    const delay = this.#options.history.hasBegun ? settle(Math.random()) : 0;
    this.#catchUpTimer = setTimeout(() => this.#readHistory(0), delay);
  }

  /** @param {string} data */
  #receive(data) {
    this.#listen();
    const envelope = parse(data);
    if (!envelope) return;
    if (envelope.eventid) this.#last = { eventId: envelope.eventid, moment: Date.now() };
    this.#options.deliver(envelope.text, Date.parse(envelope.time));
  }

  #listen() {
    clearTimeout(this.#silenceTimer);
    this.#silenceTimer = setTimeout(() => this.#renew(), SILENCE);
  }

  #lost() {
    const steady = this.#opened > 0 && Date.now() - this.#opened >= STEADY;
    this.#attempt = steady ? 0 : this.#attempt + 1;
    this.#drop();
    if (this.#state !== "live" || !navigator.onLine) this.#showLoss();
    const delay = backOff(this.#attempt, Math.random());
    this.#connectTimer = setTimeout(() => this.#connect(), delay);
  }

  /** Takes leave of the socket without another word from it. */
  #drop() {
    for (const timer of [this.#connectTimer, this.#silenceTimer, this.#catchUpTimer]) {
      clearTimeout(timer);
    }
    this.#catchUp.abort();
    this.#opened = 0;
    if (!this.#socket) return;
    this.#graceTimer ||= setTimeout(() => this.#showLoss(), GRACE);
    this.#socket.onopen = this.#socket.onmessage = this.#socket.onclose = null;
    this.#socket.close();
    this.#socket = null;
  }

  #renew() {
    this.#attempt = 0;
    this.#connect();
  }

  #seen() {
    if (document.hidden) {
      this.#hidden = Date.now();
      return;
    }
    const slept = Date.now() - this.#hidden > SLEPT;
    if (!this.#opened || slept) this.#renew();
  }

  #showLoss() {
    // A machine without network may still reach a server of its own: only a failure means offline.
    this.#show(navigator.onLine ? "reconnecting" : "offline");
  }

  /** @param {State} state */
  #show(state) {
    if (state === this.#state) return;
    this.#state = state;
    this.#options.onState(state);
  }

  /** @param {number} attempt */
  async #readHistory(attempt) {
    const reading = (this.#catchUp = new AbortController());
    try {
      await this.#options.history.read(this.#options.deliver, reading.signal);
      this.#options.onCaughtUp();
    } catch (error) {
      if (reading.signal.aborted) return;
      console.warn("The history cannot be read yet:", error);
      const again = () => this.#readHistory(attempt + 1);
      this.#catchUpTimer = setTimeout(again, backOff(attempt, Math.random()));
    }
  }
}

/**
 * @param {string} data
 * @returns {Envelope | null}
 */
function parse(data) {
  try {
    const envelope = JSON.parse(data);
    return typeof envelope?.text === "object" && envelope.text ? envelope : null;
  } catch {
    // Anybody with access to the push node may publish anything: the wall shows tweets.
    return null;
  }
}
