// The composer's form and its controls, for the modules that read and write them.
import { byId, find } from "./dom.js";

/**
 * The form's controls by their names.
 * @typedef {object} Fields
 * @property {HTMLInputElement} key
 * @property {HTMLTextAreaElement} prompt
 * @property {HTMLInputElement} one_per_line
 * @property {RadioNodeList} media
 * @property {RadioNodeList} quality
 * @property {RadioNodeList} quantity
 * @property {HTMLSelectElement} aspect
 * @property {HTMLTextAreaElement} negative_prompt
 * @property {HTMLInputElement} seed
 * @property {HTMLSelectElement} engine
 * @property {HTMLInputElement} enhance
 * @property {HTMLSelectElement} project
 * @property {HTMLInputElement} new_project
 * @property {HTMLSelectElement} within
 * @property {HTMLInputElement} review
 * @property {HTMLInputElement | undefined} settings_of which model's settings are shown
 * @property {HTMLSelectElement} model is there where there are models
 */

export const form = byId("composer", HTMLFormElement);
export const fields = /** @type {HTMLFormControlsCollection & Fields} */ (form.elements);
export const make = find(form, ".make", HTMLButtonElement);
export const more = byId("more", HTMLDetailsElement);

/** Whether a page of older work is shown, on which what is made now has no place. */
export const isOlderWork = () => new URLSearchParams(location.search).has("cursor");
