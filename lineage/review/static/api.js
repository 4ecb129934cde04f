// Requests to the server: each carries the token that stood in the page's address.

const KEY = "review-token";
let token = "";

/** Keep the token for this tab, and take it out of the address bar, where it would be copied and remembered. */
export function takeToken() {
  const given = new URLSearchParams(location.search).get("token");
  if (given) {
    sessionStorage.setItem(KEY, given);
    history.replaceState(null, "", location.pathname + location.hash);
  }
  token = sessionStorage.getItem(KEY) ?? "";
}

/** An answer that is none; `message` is a line for people, `status` 0 where nobody answered. */
export class ApiError extends Error {
  constructor(message, status) {
    super(message);
    this.status = status;
  }
}

async function ask(path, options = {}) {
  let answer;
  try {
    answer = await fetch(`/api/${path}`, { ...options, headers: { "X-Review-Token": token, ...options.headers } });
  } catch (error) {
    if (error.name === "AbortError") throw error;
    throw new ApiError("The server does not answer.", 0);
  }
  if (!answer.ok) throw new ApiError(await reason(answer), answer.status);
  return answer;
}

async function reason(answer) {
  try {
    return String((await answer.json()).error);
  } catch {
    return `The server answered with ${answer.status}.`;
  }
}

export const getJson = async (path, options) => (await ask(path, options)).json();
export const getBuffer = async path => (await ask(path)).arrayBuffer();

/** A picture, decoded away from the page's own thread. */
export const getPicture = async (path, options) => createImageBitmap(await (await ask(path, options)).blob());

export async function post(path, body) {
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body) };
  return (await ask(path, options)).json();
}
