// Elements of the page, and numbers as words.
export const $ = (id) => document.getElementById(id);
export const make = (tag, className, text) => {
  const element = document.createElement(tag);
  if (className) element.className = className;
  if (text !== undefined) element.textContent = text;
  return element;
};
export const number = (value) => value.toLocaleString("en");
export const percent = (share) => (share > 0 && share < 0.005 ? "< 1 %" : share > 0.995 && share < 1 ? "> 99 %" : `${Math.round(100 * share)} %`);
export const pictures = (count) => (count === 1 ? "1 picture" : `${number(count)} pictures`);
export const sentence = (text) => text.charAt(0).toUpperCase() + text.slice(1) + (/[.!?]$/.test(text) ? "" : ".");
