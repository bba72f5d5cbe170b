// Looking up what a template promises: an element that is missing, or of another kind, is an error that says so.
import { showTimes } from "./times.js";

/**
 * @template {Element} E
 * @param {string} id
 * @param {new () => E} kind
 * @returns {E}
 */
export function byId(id, kind) {
  const found = document.getElementById(id);
  if (!(found instanceof kind)) throw new Error(`this page has no ${kind.name} #${id}`);
  return found;
}

/**
 * @template {Element} E
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => E} kind
 * @returns {E}
 */
export function find(root, selector, kind) {
  const found = root.querySelector(selector);
  if (!(found instanceof kind)) throw new Error(`there is no ${kind.name} ${selector}`);
  return found;
}

/**
 * Those that match and are of this kind, in the order of the document.
 * @template {Element} E
 * @param {ParentNode} root
 * @param {string} selector
 * @param {new () => E} kind
 * @returns {E[]}
 */
export function findAll(root, selector, kind) {
  const all = [];
  for (const found of root.querySelectorAll(selector)) if (found instanceof kind) all.push(found);
  return all;
}

/**
 * The value of data-`name`, which the element has.
 * @param {HTMLElement} element
 * @param {string} name as in `dataset`
 */
export function data(element, name) {
  const value = element.dataset[name];
  if (value === undefined) throw new Error(`<${element.localName} id="${element.id}"> has no data for ${name}`);
  return value;
}

/**
 * The id of a stack's job.
 * @param {HTMLElement} stack
 */
export const jobOf = (stack) => stack.id.slice("stack-".length);

/**
 * A copy of the element that a <template> holds.
 * @param {HTMLTemplateElement} template
 */
export function copyOf(template) {
  const copy = template.content.firstElementChild?.cloneNode(true);
  if (!(copy instanceof HTMLElement)) throw new Error(`<template id="${template.id}"> holds no element`);
  return copy;
}

/**
 * The element that `html` from the server is. Its times are put into words here, before anybody sees them.
 * @param {string} html
 */
export function element(html) {
  const template = document.createElement("template");
  template.innerHTML = html.trim();
  showTimes(template.content);
  return copyOf(template);
}

/**
 * The element an event is about; null for one that is about none, such as the document's.
 * @param {Event} event
 */
export function targetOf({ target }) {
  return target instanceof Element ? target : null;
}

const TYPED = "input:not([type=radio], [type=checkbox], [type=range]), textarea, select, [contenteditable]";

/** Whether a key is meant for the field that it was pressed in. @param {Event} event */
export const isTyped = (event) => Boolean(targetOf(event)?.closest(TYPED));

/**
 * Whether a click is one that the browser opens elsewhere.
 * @param {MouseEvent} event
 */
export const isSpecial = ({ button, ctrlKey, metaKey, shiftKey, altKey }) =>
  Boolean(button || ctrlKey || metaKey || shiftKey || altKey);

/** A tile as the viewer names it: image-ID. @param {HTMLElement} tile */
export const idOf = (tile) => tile.id.replace(/^(tile|related)-/, "");
