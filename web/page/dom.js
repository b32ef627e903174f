// Small helpers for the page's elements.

/**
 * byId returns the element with the id. The page has all that are asked for; a missing one is a mistake to be seen at once.
 * @template {HTMLElement} [T=HTMLElement]
 * @param {string} id
 * @param {new () => T} [type]
 * @returns {T}
 */
export function byId(id, type) {
  const element = document.getElementById(id);
  if (!(element instanceof (type ?? HTMLElement))) throw new Error(`the page has no #${id} of the kind needed`);
  return /** @type {T} */ (element);
}

/**
 * show shows or hides an element.
 * @param {HTMLElement} element
 * @param {boolean} visible
 */
export function show(element, visible) {
  if (element.hidden === visible) element.hidden = !visible;
}

/**
 * write sets an element's text, only where it differs: a live region is read out at every change.
 * @param {HTMLElement} element
 * @param {string} text
 */
export function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/**
 * icon makes an icon of the sprite.
 * @param {string} name
 */
export function icon(name) {
  const svg = document.createElementNS('http://www.w3.org/2000/svg', 'svg');
  svg.setAttribute('class', 'icon');
  svg.setAttribute('aria-hidden', 'true');
  const use = document.createElementNS('http://www.w3.org/2000/svg', 'use');
  use.setAttribute('href', 'icons.svg#' + name);
  svg.append(use);
  return svg;
}

/**
 * setIcon changes the icon of a button that has one.
 * @param {HTMLElement} button
 * @param {string} name
 */
export function setIcon(button, name) {
  const use = button.querySelector('use');
  const href = 'icons.svg#' + name;
  if (use && use.getAttribute('href') !== href) use.setAttribute('href', href);
}

/**
 * element makes an element with children.
 * @template {keyof HTMLElementTagNameMap} K
 * @param {K} tag
 * @param {string} className
 * @param {(Node | string)[]} children
 * @returns {HTMLElementTagNameMap[K]}
 */
export function element(tag, className, ...children) {
  const made = document.createElement(tag);
  if (className) made.className = className;
  made.append(...children);
  return made;
}
