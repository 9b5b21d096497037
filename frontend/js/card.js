/**
 * A tweet → its card. The first page and live updates both come through here.
 *
 * @import {Author, MissingPost, Post, Tweet} from "./resource.js"
 * @import {Places} from "./links.js"
 */

import { avatar } from "./avatar.js";
import { element } from "./dom.js";
import { butterfly, reply, repost, verifiedBadge, xLogo } from "./icons.js";
import { link, placesOf } from "./links.js";
import { mediaGrid } from "./media.js";
import { pollResult } from "./poll.js";
import { directionOf, postText } from "./text.js";
import { absoluteTime, relativeTime } from "./time.js";

/** @type {Record<string, string>} */
const VERIFIED = {
  blue: "Verified account",
  business: "Verified organization",
  government: "Verified government account",
};

/**
 * What names the network on a card: its mark, and the words of the link to the post. A card never shows
 * the mark of another one.
 *
 * @type {Record<string, {mark: () => Element, view: string}>}
 */
const NETWORKS = {
  x: { mark: xLogo, view: "View on X" },
  bluesky: { mark: butterfly, view: "View on Bluesky" },
};

/**
 * @param {Tweet} tweet
 * @param {number} now milliseconds
 */
export function renderCard(tweet, now) {
  const original = present(tweet.retweet_of);
  const shown = original ?? tweet;
  const places = placesOf(tweet.source);
  return element(
    "article",
    { class: "card", "data-id": tweet.id, "data-source": tweet.source, dir: directionOf(shown) },
    original ? repostedBy(tweet.author, places) : null,
    header(shown.author, tweet.source, places),
    original ? null : replyingTo(tweet, places),
    ...body(shown, tweet, places, now),
    isMissing(tweet.retweet_of) ? unavailable("The reposted post is not available.") : null,
    original ? null : quoted(tweet, places, now),
    footer(shown, tweet, now),
  );
}

/**
 * @param {Post} post
 * @param {Tweet} tweet
 * @param {Places} places
 * @param {number} now
 */
function body(post, tweet, places, now) {
  return [
    post.text ? postText(post, places) : null,
    post.media.length ? mediaGrid(post.media, tweet.sensitive) : null,
    post.poll ? pollResult(post.poll, now) : null,
  ];
}

/**
 * @param {Author} author
 * @param {string} source
 * @param {Places} places
 */
function header(author, source, places) {
  return element(
    "header",
    { class: "by" },
    face(author, places),
    link(places.profile(author), { class: "who" }, ...names(author)),
    NETWORKS[source]?.mark() ?? null,
  );
}

/**
 * @param {Author} author
 * @param {Places} places
 */
function face(author, places) {
  const attributes = { class: "face", tabindex: -1, "aria-hidden": "true" };
  return link(places.profile(author), attributes, avatar(author));
}

/** @param {Author} author */
function names(author) {
  if (!author.username && !author.name)
    return [element("span", { class: "name" }, "Unknown author")];
  return [
    element(
      "span",
      { class: "name" },
      element("bdi", {}, author.name || author.username),
      badge(author.verified),
    ),
    author.username
      ? element("span", { class: "handle", dir: "ltr" }, ...breakable(`@${author.username}`))
      : null,
  ];
}

/**
 * A long name, as Bluesky has them, parts at its dots.
 *
 * @param {string} name
 */
const breakable = (name) =>
  name.split(/(?=\.)/u).flatMap((part, index) => (index ? [element("wbr"), part] : [part]));

/** @param {string} verified */
function badge(verified) {
  const title = VERIFIED[verified];
  if (!title) return null;
  return element(
    "span",
    { class: `badge-${verified}`, role: "img", "aria-label": title, title },
    verifiedBadge(),
  );
}

/**
 * @param {Author} author
 * @param {Places} places
 */
function repostedBy(author, places) {
  const name = author.name || author.username || "an unknown author";
  return element(
    "p",
    { class: "context", dir: "ltr" },
    repost(),
    element("span", {}, "Reposted by ", link(places.profile(author), {}, element("bdi", {}, name))),
  );
}

/**
 * @param {Tweet} tweet
 * @param {Places} places
 */
function replyingTo({ reply_to }, places) {
  if (!reply_to) return null;
  const { author } = reply_to;
  const name = `@${author.username}`;
  const whom = author.username ? link(places.profile(author), { dir: "ltr" }, name) : "a post";
  return element(
    "p",
    { class: "context", dir: "ltr" },
    reply(),
    element("span", {}, "Replying to ", whom),
  );
}

/**
 * @param {Tweet} tweet
 * @param {Places} places
 * @param {number} now
 */
function quoted(tweet, places, now) {
  if (isMissing(tweet.quote_of)) return unavailable("The quoted post is not available.");
  const post = present(tweet.quote_of);
  if (!post) return null;
  return element(
    "blockquote",
    { class: "quote", dir: directionOf(post) },
    element(
      "header",
      { class: "by" },
      face(post.author, places),
      link(places.profile(post.author), { class: "who" }, ...names(post.author)),
      timeLink(post, now),
    ),
    ...body(post, tweet, places, now),
  );
}

/** @param {string} words */
const unavailable = (words) => element("p", { class: "unavailable", dir: "ltr" }, words);

/**
 * @param {Post} post
 * @param {Tweet} tweet
 * @param {number} now
 */
function footer(post, tweet, now) {
  const view = NETWORKS[tweet.source]?.view;
  return element(
    "footer",
    { dir: "ltr" },
    timeLink(post, now),
    tweet.edited ? element("span", {}, "Edited") : null,
    view && post.url ? link(post.url, { class: "view" }, view) : null,
    tweet.source === "replay"
      ? element("span", { class: "demo", title: "An invented post" }, "Demo")
      : null,
  );
}

/**
 * @param {Post} post
 * @param {number} now
 */
function timeLink(post, now) {
  const moment = Date.parse(post.created_at);
  const time = element(
    "time",
    { datetime: post.created_at, title: absoluteTime(moment) },
    relativeTime(moment, now),
  );
  return link(post.url ?? "", { class: "when" }, time);
}

/**
 * The times and the time left age; everything else on a card stays as it is.
 *
 * @param {ParentNode} root
 * @param {number} now milliseconds
 */
export function refreshTimes(root, now) {
  for (const time of root.querySelectorAll("time")) {
    const words = relativeTime(Date.parse(time.dateTime), now);
    if (time.textContent !== words) time.textContent = words;
  }
}

/**
 * @param {Post | MissingPost | null} post
 * @returns {Post | null}
 */
const present = (post) => (post && !("missing" in post) ? post : null);

/** @param {Post | MissingPost | null} post */
const isMissing = (post) => post !== null && "missing" in post;
