import assert from "node:assert/strict";
import { test } from "node:test";

import { absoluteTime, duration, relativeTime, timeLeft } from "../../frontend/js/time.js";

const NOW = new Date(2026, 10, 20, 12, 0, 0).getTime();
const MINUTE = 60_000;
const HOUR = 60 * MINUTE;
const DAY = 24 * HOUR;

for (const [age, words] of [
  [0, "now"],
  [-5 * MINUTE, "now"],
  [MINUTE - 1, "now"],
  [MINUTE, "1 min"],
  [HOUR - 1, "59 min"],
  [HOUR, "1 h"],
  [DAY - 1, "23 h"],
  [DAY, "1 d"],
  [7 * DAY - 1, "6 d"],
  [8 * DAY, "12 Nov"],
  [365 * DAY, "20 Nov 2025"],
]) {
  test(`${age} ms ago is ${words}`, () => {
    assert.equal(relativeTime(NOW - age, NOW), words);
  });
}

test("no moment has no words", () => {
  assert.equal(relativeTime(Date.parse("?"), NOW), "");
  assert.equal(absoluteTime(Date.parse("?")), "");
  assert.equal(timeLeft(Date.parse("?"), NOW), "");
});

test("the absolute time has day and minute", () => {
  // Which comma stands where changes with the version of the language data.
  assert.match(absoluteTime(NOW, "en-GB"), /^Friday,? 20 November 2026\W.*12:00$/);
});

for (const [left, words] of [
  [-1, ""],
  [0, ""],
  [1, "1 min left"],
  [59 * MINUTE, "59 min left"],
  [HOUR, "1 h left"],
  [3 * DAY, "3 d left"],
]) {
  test(`${left} ms to go is "${words}"`, () => {
    assert.equal(timeLeft(NOW + left, NOW), words);
  });
}

for (const [milliseconds, words] of [
  [0, "0:00"],
  [6_600, "0:07"],
  [754_000, "12:34"],
  [3_723_000, "1:02:03"],
]) {
  test(`a video of ${milliseconds} ms is ${words}`, () => {
    assert.equal(duration(milliseconds), words);
  });
}
