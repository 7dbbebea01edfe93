// Orders to cut off and to let go, and how far they have come by the word of their devices.

const RANKS = { queued: 0, sent: 1, expired: 2, received: 3, applied: 4, verified: 5, failed: 5 }; // never back
const DOING = { isolate: "cutting off", release: "letting go" };
const MOST = 50;
const KEPT_MS = 15 * 60000; // after an order's last word

const orders = new Map(); // by device and isolation: the last order
const waiting = new Map(); // by command: who is told its end

const keyOf = ({ device_id, isolation_id }) => `${device_id} ${isolation_id}`;

export const isOver = ({ state }) => state === "verified" || hasFailed({ state });
export const hasFailed = ({ state }) => state === "failed" || state === "expired";

// An order as the live feed, a list of commands or the answer to a request tells it.
export function takeOrder(order) {
  if (!(order.command in DOING)) return;
  if (isOver(order)) {
    waiting.get(order.command_id)?.(order);
    waiting.delete(order.command_id);
  }
  const known = orders.get(keyOf(order));
  const same = known?.command_id === order.command_id;
  if (same ? RANKS[order.state] < RANKS[known.state] : order.created_at < known?.created_at) return;
  orders.delete(keyOf(order));
  orders.set(keyOf(order), { ...(same ? known : {}), ...order, at: Date.now() });
  if (orders.size > MOST) orders.delete(orders.keys().next().value);
}

export function forgetOrders() {
  orders.clear();
  waiting.clear();
}

export function listOrders() {
  for (const [key, order] of orders) if (Date.now() - order.at > KEPT_MS) orders.delete(key);
  return [...orders.values()];
}

export const orderAbout = (isolation) => orders.get(keyOf(isolation));

export const wordsOf = (order) => {
  const doing = DOING[order.command];
  if (hasFailed(order)) return `${doing} ${order.state}: ${order.detail || "the device did not say why"}`;
  return order.said ?? `${doing}: ${order.state === "verified" ? "done" : order.state}`;
};

// The order once its device has said the last of it.
export function endOf(order) {
  const known = orderAbout(order);
  if (known?.command_id === order.command_id && isOver(known)) return Promise.resolve(known);
  return new Promise((resolve) => waiting.set(order.command_id, resolve));
}

// How far the open orders are, for what the feed did not tell.
export async function readOrders(session) {
  const open = listOrders().filter((order) => !isOver(order));
  const devices = [...new Set(open.map((order) => order.device_id))];
  const lists = await Promise.all(devices.map((id) => session.get(`/devices/${encodeURIComponent(id)}/commands`)));
  const wanted = new Set(open.map((order) => order.command_id));
  return lists.flat().filter((order) => wanted.has(order.command_id));
}
