// Small pictures of settings screens, drawn from a description in the page's own style, with the system's own words.

/** @typedef {import('./steps.js').Picture} Picture */

const width = 260;
const side = 14; // left and right of what stands in it
const row = 36;
const letter = 7.4; // mean width, about
const bar = 42; // the title's

/**
 * draw makes the picture. It says nothing that the text beside it doesn't, so it is hidden from screen readers.
 * @param {Picture} picture
 * @param {(key: string) => string} say
 */
export function draw(picture, say) {
  const { shape, rows = [] } = picture;
  const parts = shape === 'question' ? question(picture, say) : screen(picture, say);
  const buttoned = shape === 'pane' && picture.action;
  const height = shape === 'question' ? 150 : bar + (picture.search ? row + 6 : 0) + rows.length * row + (buttoned ? 52 : 10);
  const svg = make('svg', { class: 'drawing', viewBox: `-2 -2 ${width + 4} ${height + 4}`, 'aria-hidden': 'true' });
  svg.append(box(0, 0, width, height, 'frame', shape === 'pane' ? 8 : 16), ...parts);
  return svg;
}

/**
 * A list of settings: a title or a search field, rows, a button.
 * @param {Picture} picture
 * @param {(key: string) => string} say
 */
function screen({ shape, title, action, search, rows = [], marked, toggle }, say) {
  const parts = [];
  if (shape === 'pane') for (const i of [0, 1, 2]) parts.push(make('circle', { class: 'blank', cx: 14 + i * 12, cy: bar / 2, r: 4 }));
  if (title) parts.push(...text(say(title), width / 2, bar / 2, width - (shape === 'pane' ? 110 : 40), 'heading middle'));
  if (shape === 'phone' && action) parts.push(...button(say(action), width - 52, bar / 2, 80, false));
  let top = bar;
  if (search) {
    parts.push(box(side, top, width - 2 * side, row - 6, search === 'manager' ? 'field mark' : 'field', 12), ...text(say(search), side + 12, top + row / 2 - 3, width - 60, ''));
    top += row + 6;
  }
  for (const [i, name] of rows.entries()) {
    const y = top + i * row;
    const middle = y + row / 2;
    if (i > 0) parts.push(make('path', { class: 'line', d: `M${side} ${y}H${width - side}` }));
    if (name) parts.push(...text(say(name), side + 6, middle, width - 2 * side - (i === marked ? 34 : 12), ''));
    else parts.push(box(side + 6, middle - 4, 60 + ((i * 47) % 70), 8, 'blank', 4));
    if (i === marked) parts.push(...mark(y, middle, Boolean(toggle)));
  }
  if (shape === 'pane' && action) parts.push(...button(say(action), width - 92, top + rows.length * row + 24, 160, true));
  return parts;
}

/**
 * @param {number} y
 * @param {number} middle
 * @param {boolean} toggle
 */
function mark(y, middle, toggle) {
  const right = width - side;
  const sign = toggle
    ? [box(right - 40, middle - 10, 34, 20, 'on', 10), make('circle', { class: 'knob', cx: right - 16, cy: middle, r: 8 })]
    : [make('path', { class: 'chevron', d: `M${right - 14} ${middle - 5}l5 5-5 5` })];
  return [box(side - 6, y + 2, width - 2 * side + 12, row - 4, 'mark', 10), ...sign];
}

/**
 * A system's question with its buttons.
 * @param {Picture} picture
 * @param {(key: string) => string} say
 */
function question({ action = '', other }, say) {
  const parts = [box(24, 18, width - 48, 114, 'sheet', 14)];
  for (const [i, length] of [150, 130, 80].entries()) parts.push(box((width - length) / 2, 34 + i * 16, length, 8, 'blank', 4));
  if (other) parts.push(...text(say(other), 84, 108, 60, 'middle quietly'));
  return [...parts, ...button(say(action), other ? 180 : width / 2, 108, other ? 76 : 176, true)];
}

/**
 * A button with the mark around it.
 * @param {string} label
 * @param {number} x  its middle
 * @param {number} y  its middle
 * @param {number} wide
 * @param {boolean} filled
 */
function button(label, x, y, wide, filled) {
  return [
    box(x - wide / 2, y - 14, wide, 28, filled ? 'filled' : 'none', 10),
    ...text(label, x, y, wide - 10, filled ? 'middle onfilled' : 'middle linked'),
    box(x - wide / 2 - 3, y - 17, wide + 6, 34, 'mark', 12),
  ];
}

/**
 * Text in one line, or where that is too long in two small ones; a word that is too long even so is squeezed.
 * @param {string} content
 * @param {number} x
 * @param {number} y  its middle
 * @param {number} most  width
 * @param {string} kind
 */
function text(content, x, y, most, kind) {
  if (content.length * letter <= most) return [line(content, x, y + 4.5, most, kind)];
  const half = content.length / 2;
  const gap = [...content.matchAll(/ /g)].map(({ index }) => index).sort((a, b) => Math.abs(a - half) - Math.abs(b - half))[0];
  const small = kind + ' small';
  if (gap === undefined) return [line(content, x, y + 4, most, small)];
  return [line(content.slice(0, gap), x, y - 3, most, small), line(content.slice(gap + 1), x, y + 12, most, small)];
}

/**
 * @param {string} content
 * @param {number} x
 * @param {number} y  its base line
 * @param {number} most
 * @param {string} kind
 */
function line(content, x, y, most, kind) {
  const made = make('text', { class: kind.trim(), x, y });
  if (content.length * letter * (kind.endsWith('small') ? 12 / 14 : 1) > most) {
    made.setAttribute('textLength', String(most));
    made.setAttribute('lengthAdjust', 'spacingAndGlyphs');
  }
  made.textContent = content;
  return made;
}

/**
 * @param {number} x
 * @param {number} y
 * @param {number} wide
 * @param {number} high
 * @param {string} kind
 * @param {number} rx
 */
function box(x, y, wide, high, kind, rx) {
  return make('rect', { class: kind, x, y, width: wide, height: high, rx });
}

/**
 * @param {string} tag
 * @param {Record<string, string | number>} attributes
 */
function make(tag, attributes) {
  const made = document.createElementNS('http://www.w3.org/2000/svg', tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, String(value));
  return made;
}
