// Requests to the server, and its refusals.

export class Refusal extends Error {}

export const ask = async (path, options = {}) => {
  let answer;
  try {
    answer = await fetch(path, options);
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new Refusal("The server does not answer. Start twinlens browse again.");
  }
  const content = await answer.json().catch(() => null);
  if (answer.ok && content) return content;
  throw new Refusal(content?.error?.message ?? `The server answered ${answer.status}.`);
};
export const post = (path, content, signal) =>
  ask(path, { method: "POST", body: JSON.stringify(content), headers: { "content-type": "application/json" }, signal });
