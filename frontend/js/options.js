/**
 * What the address of the page asks for: `/?channels=keyword-x,user-1&theme=dark&title=…`.
 *
 * @typedef {{channels: string[], theme: string, title: string, problem: Problem | null}} Options
 * @typedef {{sentence: string, suggestion: string}} Problem
 */

import {
  GLOBAL,
  InvalidChannel,
  MAX_CHANNELS,
  checkChannel,
  channelFilter,
  keywordChannel,
  userChannel,
} from "./channels.js";

const THEMES = ["dark", "light"];

/**
 * @param {string} search the query part of an address
 * @returns {Options}
 */
export function readOptions(search) {
  const query = new URLSearchParams(search);
  const theme = query.get("theme") ?? "";
  const names = (query.get("channels") ?? "").split(",").map((name) => name.trim());
  const channels = [...new Set(names.filter(Boolean))];
  return {
    channels: channels.length ? channels : [GLOBAL],
    theme: THEMES.includes(theme) ? theme : "",
    title: (query.get("title") ?? "").trim(),
    problem: problemOf(channels),
  };
}

/**
 * @param {string[]} channels
 * @returns {Problem | null}
 */
function problemOf(channels) {
  if (channels.length > MAX_CHANNELS) {
    const sentence = `A wall shows at most ${MAX_CHANNELS} channels; the address names ${channels.length}.`;
    return { sentence, suggestion: "" };
  }
  for (const name of channels) {
    if (!isChannel(name)) {
      return { sentence: `“${name}” is not the name of a channel.`, suggestion: suggest(name) };
    }
  }
  return null;
}

/** @param {string} name */
function isChannel(name) {
  return succeeds(() => channelFilter(checkChannel(name)));
}

/**
 * The channel that was probably meant: somebody typed the keyword as it is written.
 *
 * @param {string} name
 */
function suggest(name) {
  let suggestion = "";
  succeeds(() => {
    const author = /^user-(.+)/i.exec(name)?.[1];
    suggestion = author ? userChannel(author) : keywordChannel(name.replace(/^keyword-/i, ""));
  });
  return suggestion;
}

/** @param {() => unknown} attempt */
function succeeds(attempt) {
  try {
    attempt();
    return true;
  } catch (error) {
    if (error instanceof InvalidChannel) return false;
    throw error;
  }
}
