// The page is read in parts. Each fails by itself, and is then tried again by itself.

const FIRST_RETRY_MS = 1000;
const LAST_RETRY_MS = 30000;

export class Part {
  #read;
  #take;
  #round = 0; // of signing in
  #failures = 0;
  #timer = null;
  isKnown = false;
  trouble = null; // why it could not be read the last time
  onChange = () => {};

  constructor(name, read, take) {
    this.name = name;
    this.#read = read;
    this.#take = take;
  }

  async load() {
    const round = this.#round;
    try {
      const content = await this.#read();
      if (round !== this.#round) return; // signed out meanwhile
      this.#take(content);
      this.isKnown = true;
      this.trouble = null;
      this.#failures = 0;
    } catch (error) {
      if (round !== this.#round) return;
      this.trouble = error.message;
      const wait = Math.min(LAST_RETRY_MS, FIRST_RETRY_MS * 2 ** this.#failures);
      this.#failures += 1;
      clearTimeout(this.#timer);
      this.#timer = setTimeout(() => this.load(), wait * (0.5 + Math.random() / 2));
    }
    this.onChange();
  }

  forget() {
    this.#round += 1;
    this.#failures = 0;
    clearTimeout(this.#timer);
    this.isKnown = false;
    this.trouble = null;
  }
}

// "alerts, devices: too many calls", one line for each reason.
export function troublesOf(parts) {
  const names = new Map();
  for (const { name, trouble } of parts) {
    if (trouble !== null) names.set(trouble, [...(names.get(trouble) ?? []), name]);
  }
  return [...names].map(([trouble, those]) => `${those.join(", ")}: ${trouble}`);
}
