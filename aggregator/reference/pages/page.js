// Shows /api/v1/openapi.json: to be read under /redoc, to be read and tried elsewhere.
const DESCRIPTION = "/api/v1/openapi.json";
const METHODS = ["get", "post", "put", "patch", "delete"];
const reading = location.pathname.endsWith("redoc");
let description = {};
let token = ""; // of this page alone, gone with it

/** Make an element; text is always text, never markup. */
function make(name, properties = {}, ...children) {
  const element = Object.assign(document.createElement(name), properties);
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

function resolve(schema) {
  const name = schema?.$ref?.split("/").pop();
  return name ? description.components.schemas[name] : schema ?? {};
}

/** Return the schema that matters of one that may be null. */
function essence(given) {
  const schema = resolve(given);
  const choices = schema.oneOf ?? schema.anyOf;
  if (!choices) return schema;
  const real = choices.map(resolve).find((choice) => choice.type !== "null");
  return { ...(real ?? {}), nullable: true };
}

function typeName(given) {
  const schema = essence(given);
  const name = given?.$ref?.split("/").pop();
  const kinds = [schema.type].flat().filter((kind) => kind && kind !== "null");
  if (schema.enum) return schema.enum.filter((value) => value !== null).join(" | ");
  if (kinds[0] === "array") return `list of ${typeName(schema.items)}`;
  return (schema.title && schema.properties ? schema.title : name) ?? schema.format ?? kinds.join(" | ");
}

/** Make up a value that a schema allows. */
function example(given, depth = 0) {
  const schema = essence(given);
  if (schema.example !== undefined) return schema.example;
  if (schema.examples?.length) return schema.examples[0];
  if (schema.enum) return schema.enum.find((value) => value !== null);
  const [kind] = [schema.type].flat().filter((type) => type !== "null");
  if (depth > 5) return null;
  if (kind === "array") return schema.items ? [example(schema.items, depth + 1)] : [];
  if (schema.properties) {
    const entries = Object.entries(schema.properties);
    return Object.fromEntries(entries.map(([name, part]) => [name, example(part, depth + 1)]));
  }
  if (kind === "object") return {};
  if (kind === "integer" || kind === "number") return schema.minimum ?? 0;
  if (kind === "boolean") return true;
  return schema.format === "date-time" ? "2026-01-01T12:00:00Z" : "text";
}

function jsonBlock(value) {
  return make("pre", { tabIndex: 0 }, JSON.stringify(value, null, 2));
}

function table(heads, rows) {
  const head = make("tr", {}, ...heads.map((text) => make("th", { scope: "col" }, text)));
  const body = rows.map((cells) => make("tr", {}, ...cells.map((cell) => make("td", {}, cell))));
  return make("table", {}, make("thead", {}, head), make("tbody", {}, ...body));
}

function fields(schema) {
  const parts = Object.entries(schema.properties ?? {});
  if (!parts.length) return null;
  const needed = new Set(schema.required ?? []);
  const rows = parts.map(([name, part]) => [
    make("code", {}, name),
    make("code", {}, typeName(part)),
    needed.has(name) ? "needed" : "",
  ]);
  return table(["Field", "Type", ""], rows);
}

function section(title, ...content) {
  return make("section", {}, make("h3", {}, title), ...content);
}

function bodyOf(operation) {
  return operation.requestBody?.content?.["application/json"];
}

function parameterInputs(operation) {
  return (operation.parameters ?? []).map((parameter) => {
    const input = make("input", { name: parameter.name, placeholder: typeName(parameter.schema) });
    input.dataset.place = parameter.in;
    input.required = parameter.required === true;
    return { parameter, input };
  });
}

function describeParameters(inputs) {
  if (!inputs.length) return null;
  const rows = inputs.map(({ parameter, input }) => [
    make("code", {}, parameter.name),
    reading ? make("code", {}, typeName(parameter.schema)) : make("label", {}, input),
    `${parameter.in}${parameter.required ? ", needed" : ""}`,
  ]);
  for (const { parameter, input } of inputs) input.ariaLabel = parameter.name;
  return section("Parameters", table(["Name", reading ? "Type" : "Value", "Where"], rows));
}

function describeBody(content, editor) {
  if (!content) return null;
  const schema = essence(content.schema);
  const shown = reading ? jsonBlock(content.example ?? example(content.schema)) : editor;
  return section("Body", shown, fields(schema));
}

function describeAnswers(operation) {
  const rows = Object.entries(operation.responses).map(([status, answer]) => {
    const [kind, content] = Object.entries(answer.content ?? {})[0] ?? [];
    const what = kind ? typeName(content.schema) : "nothing";
    return [make("code", {}, status), make("code", {}, what), kind ?? ""];
  });
  const good = Object.entries(operation.responses).find(([status]) => status < "300")?.[1];
  const content = good?.content?.["application/json"];
  const shape = content ? jsonBlock(example(content.schema)) : null;
  return section("Answers", table(["Status", "What", "As"], rows), shape);
}

function request(method, path, inputs, editor) {
  const query = new URLSearchParams();
  let filled = path;
  for (const { input } of inputs) {
    if (input.dataset.place === "path") {
      filled = filled.replace(`{${input.name}}`, encodeURIComponent(input.value));
    } else if (input.dataset.place === "query" && input.value) query.set(input.name, input.value);
  }
  const url = query.size ? `${filled}?${query}` : filled;
  const headers = token ? { Authorization: `Bearer ${token}` } : {};
  if (editor) headers["Content-Type"] = "application/json";
  return [url, { method: method.toUpperCase(), headers, body: editor?.value }];
}

async function tell(url, options, output) {
  output.replaceChildren("asking …");
  const began = performance.now();
  try {
    const answer = await fetch(url, options);
    const text = await answer.text();
    const took = Math.round(performance.now() - began);
    const total = answer.headers.get("x-total-count");
    const facts = `${answer.status} ${answer.statusText}, ${took} ms${total ? `, ${total} in all` : ""}`;
    output.replaceChildren(
      make("p", { className: answer.ok ? "" : "bad" }, `${options.method} ${url} → ${facts}`),
      make("pre", { tabIndex: 0 }, pretty(text)),
    );
  } catch (error) {
    output.replaceChildren(make("p", { className: "bad" }, String(error)));
  }
}

function pretty(text) {
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return text;
  }
}

function tryIt(method, path, inputs, editor) {
  const output = make("div", { ariaLive: "polite" });
  const button = make("button", { type: "button" }, "Send");
  button.addEventListener("click", () => {
    const missing = inputs.find(({ input }) => input.required && !input.value);
    if (missing) missing.input.focus();
    else tell(...request(method, path, inputs, editor), output);
  });
  return section("Try it", button, output);
}

function operationElement(method, path, operation) {
  const inputs = parameterInputs(operation);
  const content = bodyOf(operation);
  const value = content ? JSON.stringify(content.example ?? example(content.schema), null, 2) : "";
  const editor = content ? make("textarea", { value, spellcheck: false, ariaLabel: "Body" }) : null;
  const summary = make(
    "summary", {},
    make("span", { className: `method ${method}` }, method.toUpperCase()),
    make("code", {}, path),
    make("span", { className: "muted" }, operation.summary),
  );
  const inside = make(
    "div", {},
    make("p", {}, operation.description),
    describeParameters(inputs),
    describeBody(content, editor),
    reading ? null : tryIt(method, path, inputs, editor),
    describeAnswers(operation),
  );
  const element = make("details", { className: "operation", id: operation.operationId }, summary, inside);
  element.open = reading;
  element.dataset.words = `${method} ${path} ${operation.summary}`.toLowerCase();
  return element;
}

function groups() {
  const found = new Map();
  for (const [path, methods] of Object.entries(description.paths)) {
    for (const method of METHODS.filter((name) => name in methods)) {
      const [tag] = methods[method].tags ?? ["other"];
      if (!found.has(tag)) found.set(tag, []);
      found.get(tag).push([method, path, methods[method]]);
    }
  }
  return found;
}

function link(method, path, operation) {
  const element = make(
    "a", { href: `#${operation.operationId}`, title: operation.summary },
    make("span", { className: method }, `${method.toUpperCase()} `), path,
  );
  element.addEventListener("click", () => {
    document.getElementById(operation.operationId).open = true;
  });
  return element;
}

function show() {
  const operations = document.getElementById("operations");
  const contents = document.getElementById("contents");
  operations.replaceChildren();
  for (const [tag, members] of groups()) {
    const elements = members.map((member) => operationElement(...member));
    operations.append(make("section", {}, make("h2", {}, tag), ...elements));
    contents.append(make("h2", {}, tag), ...members.map((member) => link(...member)));
  }
}

function find(text) {
  const sought = text.trim().toLowerCase();
  for (const element of document.querySelectorAll(".operation")) {
    element.hidden = !element.dataset.words.includes(sought);
  }
  for (const group of document.querySelectorAll("#operations > section")) {
    group.hidden = !group.querySelector(".operation:not([hidden])");
  }
}

async function signIn(event) {
  event.preventDefault();
  const who = document.getElementById("who");
  const given = Object.fromEntries(new FormData(event.target));
  const options = { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(given) };
  const answer = await fetch("/api/v1/auth/login", options);
  const told = await answer.json();
  token = answer.ok ? told.access_token : "";
  if (answer.ok) event.target.reset();
  who.value = answer.ok ? `${told.user.username}, ${told.user.role}` : told.detail;
}

async function start() {
  for (const anchor of document.querySelectorAll("header nav a")) {
    const here = anchor.pathname === (reading ? "/redoc" : "/docs");
    if (here) anchor.ariaCurrent = "page";
  }
  document.getElementById("sign-in").hidden = reading;
  document.getElementById("sign-in").addEventListener("submit", signIn);
  document.getElementById("find").addEventListener("input", (event) => find(event.target.value));
  try {
    description = await (await fetch(DESCRIPTION)).json();
    document.getElementById("version").textContent = description.info.version;
    show();
    if (location.hash) document.getElementById(location.hash.slice(1))?.scrollIntoView();
  } catch (error) {
    document.getElementById("operations").replaceChildren(
      make("p", { className: "bad" }, `${DESCRIPTION} cannot be read: ${error}`),
    );
  }
}

start();
