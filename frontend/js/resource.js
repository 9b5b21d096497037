/**
 * The shapes that come from REST and over the wire: types only, nothing runs here.
 *
 * @typedef {{id: string, username: string, name: string, avatar: string, verified: string}} Author
 *
 * @typedef {{type: "hashtag", start: number, end: number, tag: string}} Hashtag
 * @typedef {{type: "cashtag", start: number, end: number, tag: string}} Cashtag
 * @typedef {{type: "mention", start: number, end: number, username: string, id: string}} Mention
 * @typedef {{type: "url", start: number, end: number, url: string, expanded_url: string,
 *   display_url: string, title: string}} Url
 * @typedef {Hashtag | Cashtag | Mention | Url} Entity
 *
 * @typedef {{type: "photo", url: string, width: number, height: number, alt: string}} Photo
 * @typedef {{type: "video" | "animated_gif", url: string, preview_url: string, width: number,
 *   height: number, alt: string, duration_ms?: number}} Video
 * @typedef {Photo | Video} Media
 *
 * @typedef {{label: string, votes: number}} PollOption
 * @typedef {{id: string, status: string, ends_at: string | null, options: PollOption[]}} Poll
 *
 * @typedef {{id: string, url: string | null, created_at: string, text: string, lang: string,
 *   author: Author, entities: Entity[], media: Media[], poll: Poll | null}} Post
 * @typedef {{id: string, missing: true}} MissingPost
 *
 * @typedef {Post & {type: "tweet", version: string, source: string,
 *   reply_to: {id: string, author: {id: string, username: string}} | null,
 *   quote_of: Post | MissingPost | null, retweet_of: Post | MissingPost | null,
 *   sensitive: boolean, withheld_in: string[], edited: boolean, keywords: string[]}} Tweet
 * @typedef {{type: "delete", id: string}} Removal
 * @typedef {Tweet | Removal} Resource
 */

export {};
