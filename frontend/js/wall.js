/**
 * The page: feed → tweets → cards. Whatever fails, the posts that are there stay.
 *
 * @import {State} from "./feed.js"
 * @import {Options, Problem} from "./options.js"
 * @import {Tweet} from "./resource.js"
 * @typedef {{title?: string, subtitle?: string, events_url?: string}} Config
 */

import { refreshTimes, renderCard } from "./card.js";
import { Columns } from "./columns.js";
import { element } from "./dom.js";
import { Feed } from "./feed.js";
import { History } from "./history.js";
import { clock } from "./time.js";
import { Tweets } from "./tweets.js";

const MAX_TWEETS = 1000;
const MAX_CARDS = 200;
const CONFIG_TIMEOUT = 4_000;
const TICK = 10_000;
// Pixels from the top: further down somebody is reading, and new posts wait.
const READING = 160;

/** @type {Record<State, string>} */
const STATES = {
  connecting: "Connecting…",
  live: "Live",
  reconnecting: "Reconnecting…",
  offline: "Offline",
};

/** @type {Record<State, [string, string]>} */
const EMPTY = {
  connecting: ["Getting the latest posts…", "This takes a moment."],
  live: ["Waiting for the first post", "It will appear here the moment it is published."],
  reconnecting: ["Looking for the server…", "Posts will appear as soon as it answers."],
  offline: ["No connection", "Posts will appear as soon as this device is back online."],
};

export class Wall {
  #tweets = new Tweets({ limit: MAX_TWEETS });
  #columns = new Columns(find("posts"), drawCard);
  #frame = 0;
  #isCaughtUp = false;
  /** @type {State} */
  #state = "connecting";

  /** @param {Options} options */
  async start({ channels, title, problem }) {
    this.#tick();
    const config = await readConfig();
    setTitle(title || config.title || "", config.subtitle ?? "");
    if (problem) return showProblem(problem);
    this.#watch();
    this.#feed(channels, config.events_url ?? "").start();
  }

  /**
   * @param {string[]} channels
   * @param {string} eventsUrl
   */
  #feed(channels, eventsUrl) {
    return new Feed({
      channels,
      eventsUrl,
      history: new History(channels),
      deliver: (resource, moment) => {
        this.#tweets.merge(resource, moment);
        this.#draw();
      },
      onState: (state) => {
        this.#state = state;
        this.#draw();
      },
      onCaughtUp: () => {
        this.#isCaughtUp = true;
        this.#draw();
      },
    });
  }

  #watch() {
    const more = find("more");
    more.addEventListener("click", () => scrollTo({ top: 0, behavior: "instant" }));
    addEventListener("scroll", () => !more.hidden && !isReading() && this.#draw(), {
      passive: true,
    });
    new ResizeObserver(() => this.#columns.refit()).observe(document.documentElement);
    setInterval(() => this.#tick(), TICK);
  }

  #tick() {
    const now = new Date();
    refreshTimes(find("posts"), now.getTime());
    find("clock").textContent = clock(now);
  }

  /** However much arrives, the page is touched once per frame. */
  #draw() {
    this.#frame ||= requestAnimationFrame(() => {
      this.#frame = 0;
      this.#drawPosts();
      this.#drawState();
    });
  }

  #drawPosts() {
    const newest = this.#tweets.newest(MAX_CARDS);
    const reading = isReading();
    const shown = reading ? newest.filter((tweet) => this.#columns.has(tweet.id)) : newest;
    this.#columns.show(shown, { keepPlace: reading });
    const waiting = newest.length - shown.length;
    find("more").hidden = waiting === 0;
    find("more-count").textContent = posts(waiting, "new ");
  }

  #drawState() {
    const { size } = this.#tweets;
    const state = find("state");
    if (state.dataset.state !== this.#state) {
      state.dataset.state = this.#state;
      find("state-words").textContent = STATES[this.#state];
    }
    find("count").textContent = size ? posts(size) : "";
    find("empty").hidden = size > 0;
    const isLoading = this.#state === "live" && !this.#isCaughtUp;
    const [headline, hint] = EMPTY[isLoading ? "connecting" : this.#state];
    setText("empty-headline", headline);
    setText("empty-hint", hint);
  }
}

/**
 * One post that no card can be made of does not take the others down.
 *
 * @param {Tweet} tweet
 */
function drawCard(tweet) {
  try {
    return renderCard(tweet, Date.now());
  } catch (error) {
    console.error(`Tweet ${tweet.id} cannot be shown:`, error);
    return element("article", { "data-id": tweet.id, hidden: true });
  }
}

const isReading = () => scrollY > READING;

/**
 * @param {number} count
 * @param {string} [kind]
 */
const posts = (count, kind = "") =>
  `${count.toLocaleString("en")}${count === MAX_TWEETS ? "+" : ""} ${kind}${count === 1 ? "post" : "posts"}`;

/** @returns {Promise<Config>} */
async function readConfig() {
  try {
    const response = await fetch("/api/wall/", { signal: AbortSignal.timeout(CONFIG_TIMEOUT) });
    if (!response.ok) throw new Error(`status ${response.status}`);
    return await response.json();
  } catch (error) {
    console.warn("The wall's title cannot be read, the posts still come:", error);
    return {};
  }
}

/**
 * @param {string} title
 * @param {string} subtitle
 */
function setTitle(title, subtitle) {
  if (title) {
    document.title = title;
    setText("title", title);
  }
  setText("subtitle", subtitle);
}

/** @param {Problem} problem */
function showProblem({ sentence, suggestion }) {
  find("state").hidden = true;
  setText("empty-headline", sentence);
  const links = suggestion ? [" Did you mean ", channelLink(suggestion), "? Or see "] : [" See "];
  find("empty-hint").replaceChildren(
    "A wall can follow global, the channel of an author (user-1) or of a keyword (keyword-wall).",
    ...links,
    element("a", { href: "./" }, "the whole wall"),
    ".",
  );
  find("empty").classList.add("problem");
}

/** @param {string} name */
const channelLink = (name) =>
  element("a", { href: `?${new URLSearchParams({ channels: name })}` }, name);

/**
 * @param {string} id
 * @param {string} text
 */
function setText(id, text) {
  const target = find(id);
  if (target.textContent !== text) target.textContent = text;
}

/** @param {string} id */
function find(id) {
  const found = document.getElementById(id);
  if (!found) throw new Error(`The page has no #${id}.`);
  return found;
}
