import assert from "node:assert/strict";
import { test } from "node:test";

import { backOff, settle, subscribeUrl } from "../../frontend/js/feed.js";
import { MAX_AGE } from "../../frontend/js/history.js";

const PAGE = "http://wall.example:8000/?theme=dark";

test("the delay doubles from one second to twenty, and chance spreads it", () => {
  const longest = [0, 1, 2, 3, 4, 5, 50].map((attempt) => backOff(attempt, 1));
  assert.deepEqual(longest, [1000, 2000, 4000, 8000, 16_000, 20_000, 20_000]);
  assert.equal(backOff(3, 0), 0);
  assert.equal(backOff(3, 0.5), 4000);
});

test("what was missed is asked for once a shared answer can not be older than the connection", () => {
  assert.equal(settle(0), MAX_AGE);
  assert.equal(settle(1), MAX_AGE + 2000);
});

test("a wall subscribes where it comes from", () => {
  const url = subscribeUrl("", ["global", "keyword-caf~C3~A9"], "", PAGE);
  assert.equal(url, "ws://wall.example:8000/events/ws/global/keyword-caf~C3~A9");
});

test("a wall subscribes where it is told to", () => {
  const url = subscribeUrl("https://push.example/base/", ["global"], "", PAGE);
  assert.equal(url, "wss://push.example/base/events/ws/global");
});

test("spaces of an event id are not written as a plus", () => {
  const url = subscribeUrl("", ["global"], "Fri, 20 Nov 2026 10:00:00 GMT|21", PAGE);
  assert.equal(
    url,
    "ws://wall.example:8000/events/ws/global?eventid=Fri%2C%2020%20Nov%202026%2010%3A00%3A00%20GMT%7C21",
  );
});
