/** The goods as this page last saw them. */

import { api } from "./session.js";
import { signal } from "./signal.js";

const PAGE = 60;
const MOST = 960;

/** {goods: Map of SKU → good, listed: SKUs in order, more: whether there are others, at: when looked, problem}. */
export const catalogue = signal({ goods: new Map(), listed: [], more: false, at: null, problem: null });

/** One of the goods, if it was ever seen here. */
export function goodOf(sku) {
  return catalogue.value.goods.get(sku);
}

/** What to call it. */
export function titleOf(sku) {
  return goodOf(sku)?.title ?? sku;
}

let wanted = PAGE;

/** Looks again at what is listed, and at these SKUs besides. */
export async function refreshGoods(life, others = []) {
  await look(wanted, life, others);
}

/** Lists one page more. */
export async function moreGoods(life) {
  wanted = Math.min(MOST, wanted + PAGE);
  await look(wanted, life, []);
}

/** Whether the list is as long as it gets here. */
export function listIsFull() {
  return catalogue.value.listed.length >= MOST;
}

async function look(limit, life, others) {
  try {
    const { goods, next } = await api.get(`/api/goods?limit=${limit}`, { life });
    const listed = goods.map((good) => good.sku);
    const seen = [...goods, ...(await single(others.filter((sku) => !listed.includes(sku)), life))];
    if (limit !== wanted) return; // a longer list is on its way
    const known = new Map([...catalogue.value.goods, ...seen.map((good) => [good.sku, good])]);
    catalogue.set({ goods: known, listed, more: next !== null, at: new Date(), problem: null });
  } catch (problem) {
    if (problem.code !== "leaving") catalogue.set({ ...catalogue.value, problem });
  }
}

/** These goods, one by one; who is not sold any more is missing. */
async function single(skus, life) {
  const found = [];
  for (const sku of skus) {
    try {
      found.push(await api.get(`/api/goods/${encodeURIComponent(sku)}`, { life }));
    } catch (problem) {
      if (problem.code !== "not_found") throw problem;
    }
  }
  return found;
}

/** Adds one of the goods by its SKU to what is known; null when nothing has this SKU. Raises Problem. */
export async function findGood(sku, life) {
  const [good] = await single([sku], life);
  if (!good) return null;
  catalogue.set({ ...catalogue.value, goods: new Map(catalogue.value.goods).set(sku, good) });
  return good;
}
