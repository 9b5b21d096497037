/** Building elements. Children that are strings become text: data can never turn into markup. */

const SVG = "http://www.w3.org/2000/svg";

/**
 * @typedef {Node | string | null} Child
 * @typedef {Record<string, string | number | boolean | null | undefined>} Attributes
 */

/**
 * @template {keyof HTMLElementTagNameMap} Name
 * @param {Name} name
 * @param {Attributes} [attributes] null, undefined and false are left out
 * @param {...Child} children null is left out
 * @returns {HTMLElementTagNameMap[Name]}
 */
export function element(name, attributes = {}, ...children) {
  return fill(document.createElement(name), attributes, children);
}

/**
 * @param {string} name
 * @param {Attributes} [attributes]
 * @param {...Child} children
 */
export function svg(name, attributes = {}, ...children) {
  return fill(document.createElementNS(SVG, name), attributes, children);
}

/**
 * @template {Element} Built
 * @param {Built} built
 * @param {Attributes} attributes
 * @param {Child[]} children
 */
function fill(built, attributes, children) {
  for (const [name, value] of Object.entries(attributes)) {
    if (value === null || value === undefined || value === false) continue;
    built.setAttribute(name, value === true ? "" : String(value));
  }
  built.append(...children.filter((child) => child !== null));
  return built;
}
