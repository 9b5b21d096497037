import assert from "node:assert/strict";
import { test } from "node:test";
import { MAX_AGE, momentOf } from "../../frontend/js/history.js";
import { Tweets } from "../../frontend/js/tweets.js";

const at = (second) => new Date(Date.UTC(2026, 10, 20, 10, 0, second)).toUTCString();

test("a delete published while a page was read beats the tweet of that page", () => {
  // Asked at 10.55, read at 10.6, deleted at 10.7 (says "10"), answered at 11.05 (says "11").
  const moment = momentOf(at(11), 500, 0);
  assert.ok(Date.parse(at(10)) >= moment);
});

test("a delete of the second before the page was asked for does not", () => {
  // Deleted at 8.9, shown again at 9.5, asked at 10.1, answered at 10.2.
  assert.ok(Date.parse(at(8)) < momentOf(at(10), 100, 0));
});

test("a delete published after a shared answer was read beats the tweet of that answer", () => {
  // Read for another at 9.05, deleted at 9.1 (says "9"), asked for at 10.0, answered at 10.02.
  assert.ok(Date.parse(at(9)) >= momentOf(at(10), 20, MAX_AGE));
});

test("the merge keeps to it", () => {
  const tweets = new Tweets({ limit: 10 });
  tweets.merge({ type: "delete", id: "1" }, Date.parse(at(10)));
  tweets.merge(
    { type: "tweet", id: "1", version: "1", created_at: "2026-11-20T10:00:00.000Z" },
    momentOf(at(11), 500, 0),
  );
  assert.deepEqual(tweets.newest(10), []);
});
