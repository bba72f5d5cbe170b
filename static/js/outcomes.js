// How jobs ended, in words. Loaded when the first does.
import { announce } from "./announce.js";
import { findAll } from "./dom.js";

const PROMPT_LENGTH = 60;

/**
 * @param {Element} stack
 * @param {string} selector
 */
const textOf = (stack, selector) => stack.querySelector(selector)?.textContent?.trim().replace(/\s+/g, " ") ?? "";

/** @param {Element} stack */
export function promptOf(stack) {
  const prompt = textOf(stack, "h2");
  return prompt.length > PROMPT_LENGTH ? `${prompt.slice(0, PROMPT_LENGTH).replace(/\s+\S*$/, "")} …` : prompt;
}

/**
 * @param {number} count
 * @param {string} media
 */
const counted = (count, media) => `${count} ${media}${count === 1 ? "" : "s"}`;

/**
 * How a job ended: "3 images done", "Failed: the reason".
 * @param {HTMLElement} stack
 */
function outcomeOf(stack) {
  const cards = findAll(stack, ".card", HTMLElement);
  const done = cards.filter(({ dataset }) => dataset.phase === "done");
  const failed = cards.filter(({ dataset }) => dataset.phase === "failed");
  const whys = failed.flatMap((card) => textOf(card, ".why span") || textOf(card, ".why") || []);
  const reason = whys[0] ?? textOf(stack, ".reason");
  if (!done.length) return `Failed: ${reason || "no reason given."}`;
  const made = `${counted(done.length, done[0]?.dataset.media ?? "image")} done`;
  return failed.length ? `${made}, ${failed.length} failed: ${reason}` : made;
}

/**
 * Says how they ended; what it said.
 * @param {[HTMLElement, ...HTMLElement[]]} stacks that have ended just now
 */
export function announceEnd(stacks) {
  const [first] = stacks;
  const words = stacks.length === 1 ? outcomeOf(first) : `${stacks.length} jobs have ended.`;
  announce(stacks.length === 1 ? `${words.replace(/\.$/, "")}: \u2068${promptOf(first)}\u2069.` : words);
  return words;
}
