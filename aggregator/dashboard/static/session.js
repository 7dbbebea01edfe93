// The signed-in session: tokens, requests, and the live connection.
// The access token stays in memory; the refresh token lasts as long as this tab.

const REFRESH_KEY = "edgewarden.refresh";
const LAST_WAIT_MS = 15000;
const SIGNED_OUT = 4401;
const READ_MS = 20000;

export class ApiError extends Error {
  constructor(status, detail, challenge) {
    super(detail);
    this.status = status;
    this.asksForCode = challenge?.includes("insufficient_user_authentication") ?? false;
  }
}

export class Session {
  #access = null;
  #refreshing = null;
  user = null;
  onSignedOut = () => {};

  async signIn(username, password) {
    this.#keep(await send("POST", "/auth/login", { username, password }));
  }

  async resume() {
    if (!sessionStorage.getItem(REFRESH_KEY)) return false;
    try {
      await this.#refresh();
      return true;
    } catch (error) {
      if (error.status === 401) return false;
      throw error;
    }
  }

  async signOut() {
    try {
      await this.request("POST", "/auth/logout");
    } finally {
      this.forget();
    }
  }

  forget() {
    this.#access = null;
    this.user = null;
    sessionStorage.removeItem(REFRESH_KEY);
    this.onSignedOut();
  }

  get token() {
    return this.#access;
  }

  async get(path) {
    return this.request("GET", path);
  }

  async request(method, path, body) {
    try {
      return await send(method, path, body, this.#access);
    } catch (error) {
      if (error.status !== 401 || error.asksForCode || !this.#access) throw error;
      await this.renew();
      return send(method, path, body, this.#access);
    }
  }

  async renew() {
    try {
      await this.#refresh();
    } catch (error) {
      if (error.status === 401) this.forget();
      throw error;
    }
  }

  async #refresh() {
    // Several requests may find the token expired at once; a refresh token is good only once.
    this.#refreshing ??= send("POST", "/auth/refresh", {
      refresh_token: sessionStorage.getItem(REFRESH_KEY) ?? "",
    }).finally(() => { this.#refreshing = null; });
    this.#keep(await this.#refreshing);
  }

  #keep(answer) {
    this.#access = answer.access_token;
    this.user = answer.user;
    sessionStorage.setItem(REFRESH_KEY, answer.refresh_token);
  }
}

async function send(method, path, body, token) {
  const headers = {};
  if (body !== undefined) headers["Content-Type"] = "application/json";
  if (token) headers.Authorization = `Bearer ${token}`;
  const signal = method === "GET" ? AbortSignal.timeout(READ_MS) : undefined; // orders take what they take
  const [answer, text] = await reach(`/api/v1${path}`, {
    method, headers, signal, body: body === undefined ? undefined : JSON.stringify(body),
  });
  const content = contentOf(text);
  if (!answer.ok) {
    const wait = answer.headers.get("Retry-After");
    const detail = content?.detail ?? `the centre answered ${answer.status}`;
    const words = wait ? `${detail}; try again in ${wait} s` : detail;
    throw new ApiError(answer.status, words, answer.headers.get("WWW-Authenticate"));
  }
  if (content === undefined) throw new Error("what answered is not the centre");
  return content;
}

async function reach(path, options) {
  try {
    const answer = await fetch(path, options);
    return [answer, await answer.text()];
  } catch (error) {
    throw new Error(error.name === "TimeoutError" ? "the centre did not answer in time" : "the centre could not be reached");
  }
}

// undefined: something in between answered, with a page of its own.
function contentOf(text) {
  try {
    return text ? JSON.parse(text) : null;
  } catch {
    return undefined;
  }
}

// The live feed. It comes back by itself, and asks for what it missed.
export class Live {
  #session;
  #socket = null;
  #cursor = null;
  #attempt = 0;
  #timer = null;
  #wanted = false;
  onEvent = () => {};
  onState = () => {};
  onGap = () => {};

  constructor(session) {
    this.#session = session;
  }

  start() {
    this.stop();
    this.#wanted = true;
    this.#cursor = null;
    this.#open();
  }

  stop() {
    this.#wanted = false;
    clearTimeout(this.#timer);
    this.#socket?.close();
    this.#socket = null;
  }

  #open() {
    this.onState(this.#attempt ? "lost" : "connecting");
    const scheme = location.protocol === "https:" ? "wss" : "ws";
    const since = this.#cursor === null ? "" : `&since=${this.#cursor}`;
    const url = `${scheme}://${location.host}/api/v1/ws?batch=1${since}`;
    const socket = new WebSocket(url, ["bearer", this.#session.token]);
    this.#socket = socket;
    const returning = this.#attempt > 0;
    socket.onopen = () => {
      // Without a cursor nothing can be caught up: load everything again.
      if (returning && this.#cursor === null) this.onGap();
      this.#attempt = 0;
      this.onState("live");
    };
    socket.onmessage = (message) => JSON.parse(message.data).forEach((event) => this.#take(event));
    socket.onclose = (closed) => this.#closed(socket, closed.code);
  }

  #take(event) {
    if (event.cursor !== undefined) this.#cursor = event.cursor;
    if (event.type === "resync" || event.type === "dropped") this.onGap();
    else this.onEvent(event);
  }

  async #closed(socket, code) {
    if (!this.#wanted || socket !== this.#socket) return;
    this.#attempt += 1;
    this.onState("lost");
    if (code === SIGNED_OUT) {
      try {
        await this.#session.renew();
      } catch {
        if (!this.#session.token) return; // signed out for good
      }
    }
    const wait = Math.min(LAST_WAIT_MS, 500 * 2 ** Math.min(this.#attempt - 1, 5));
    this.#timer = setTimeout(() => this.#wanted && this.#open(), wait * (0.5 + Math.random() / 2));
  }
}
