import assert from "node:assert/strict";
import { test } from "node:test";

import { Tweets, compareIds } from "../../frontend/js/tweets.js";

const tweet = (id, fields = {}) => ({
  type: "tweet",
  id,
  version: id,
  created_at: `2026-11-20T10:00:${id.padStart(2, "0").slice(-2)}.000Z`,
  text: `text of ${id}`,
  ...fields,
});
const removal = (id) => ({ type: "delete", id });

/** What stands on the wall after these [resource, moment] pairs. */
function wallAfter(arrivals, limit = 100) {
  const tweets = new Tweets({ limit });
  for (const [resource, moment] of arrivals) tweets.merge(resource, moment);
  return tweets.newest().map(({ id, version, text }) => ({ id, version, text }));
}

/** A generator of the same numbers in every run (mulberry32). */
function seeded(seed) {
  return () => {
    seed = (seed + 0x6d2b79f5) | 0;
    let t = Math.imul(seed ^ (seed >>> 15), 1 | seed);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 2 ** 32;
  };
}

function shuffled(items, random) {
  const copy = [...items];
  for (let i = copy.length - 1; i > 0; i--) {
    const j = Math.floor(random() * (i + 1));
    [copy[i], copy[j]] = [copy[j], copy[i]];
  }
  return copy;
}

test("tweets stand newest first, those of one moment by id", () => {
  const moment = "2026-11-20T09:00:00.000Z";
  const arrivals = [
    tweet("9", { created_at: moment }),
    tweet("3"),
    tweet("10", { created_at: moment }),
    tweet("5"),
  ];
  const ids = wallAfter(arrivals.map((arrived) => [arrived, 1])).map(({ id }) => id);
  assert.deepEqual(ids, ["5", "3", "10", "9"]);
});

test("a repeated tweet stays the very same object", () => {
  const tweets = new Tweets({ limit: 10 });
  tweets.merge(tweet("1"), 1);
  const [first] = tweets.newest();
  tweets.merge(tweet("1"), 2);
  assert.equal(tweets.newest()[0], first);
  assert.equal(tweets.size, 1);
});

test("a newer version replaces an older one, never the other way round", () => {
  const edited = tweet("1", { version: "12", text: "edited" });
  const shown = [{ id: "1", version: "12", text: "edited" }];
  assert.deepEqual(
    wallAfter([
      [tweet("1"), 1],
      [edited, 2],
    ]),
    shown,
  );
  assert.deepEqual(
    wallAfter([
      [edited, 2],
      [tweet("1"), 3],
    ]),
    shown,
  );
});

test("of one version the later state counts, such as the votes of a poll", () => {
  const later = tweet("1", { text: "later" });
  const shown = [{ id: "1", version: "1", text: "later" }];
  assert.deepEqual(
    wallAfter([
      [tweet("1"), 1],
      [later, 2],
    ]),
    shown,
  );
  assert.deepEqual(
    wallAfter([
      [later, 2],
      [tweet("1"), 1],
    ]),
    shown,
  );
});

test("a delete removes its tweet, in whatever order they come", () => {
  const pair = [
    [tweet("1"), 1],
    [removal("1"), 1],
  ];
  assert.deepEqual(wallAfter(pair), []);
  assert.deepEqual(wallAfter([...pair].reverse()), []);
});

test("a stale answer does not bring a deleted tweet back", () => {
  assert.deepEqual(
    wallAfter([
      [tweet("1"), 1],
      [removal("1"), 5],
      [tweet("1"), 4],
    ]),
    [],
  );
});

test("a tweet that is shown again later comes back", () => {
  const shown = [{ id: "1", version: "1", text: "text of 1" }];
  const story = [
    [tweet("1"), 1],
    [removal("1"), 5],
    [tweet("1"), 6],
  ];
  assert.deepEqual(wallAfter(story), shown);
  assert.deepEqual(wallAfter([...story].reverse()), shown);
});

test("an unknown moment of a delete wins, that of a tweet loses", () => {
  assert.deepEqual(
    wallAfter([
      [removal("1"), NaN],
      [tweet("1"), 9e15],
    ]),
    [],
  );
  assert.deepEqual(
    wallAfter([
      [removal("1"), 1],
      [tweet("1"), NaN],
    ]),
    [],
  );
  assert.equal(wallAfter([[tweet("1"), NaN]]).length, 1);
});

test("a message of an unknown type is nothing to show", () => {
  assert.deepEqual(
    wallAfter([
      [{ hello: 1 }, 1],
      [{ type: "ad", id: "1" }, 1],
    ]),
    [],
  );
});

test("the oldest go when there are too many", () => {
  const arrivals = ["4", "1", "3", "2"].map((id) => [tweet(id), 1]);
  assert.deepEqual(
    wallAfter(arrivals, 2).map(({ id }) => id),
    ["4", "3"],
  );
});

test("every order of arrival ends in the same wall", () => {
  const arrivals = [];
  for (let n = 1; n <= 12; n++) {
    const id = String(n);
    arrivals.push([tweet(id), n], [tweet(id), n]);
    if (n % 3 === 0) {
      arrivals.push([tweet(id, { version: String(100 + n), text: "edited" }), n + 20]);
    }
    if (n % 4 === 0) arrivals.push([removal(id), n + 30]);
    if (n % 8 === 0) arrivals.push([tweet(id), n + 40]);
  }
  const expected = wallAfter(arrivals, 8);
  assert.deepEqual(
    expected.map(({ id, text }) => `${id} ${text}`),
    ["11", "10", "9!", "8", "7", "6!", "5", "3!"].map((name) =>
      name.endsWith("!") ? `${name.slice(0, -1)} edited` : `${name} text of ${name}`,
    ),
  );
  for (let seed = 1; seed <= 200; seed++) {
    const order = shuffled(arrivals, seeded(seed));
    assert.deepEqual(wallAfter(order, 8), expected, `seed ${seed}`);
  }
});

test("ids compare as the numbers they are", () => {
  assert.ok(compareIds("9", "10") < 0);
  assert.ok(compareIds("2120000000000000010", "2120000000000000009") > 0);
  assert.equal(compareIds("5", "5"), 0);
});
