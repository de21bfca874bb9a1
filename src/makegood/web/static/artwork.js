/** A picture for something that has none: drawn from its SKU, the same one every time. */

const NAMESPACE = "http://www.w3.org/2000/svg";
const WIDTH = 120;
const HEIGHT = 90;
const MIXING = 72; // similar SKUs stand beside each other, and must not look alike

/** Ground, two tones of one colour, and one that stands out. */
const PALETTES = [
  ["#e4ede3", "#8fbfa5", "#2f6b58", "#e8b46b"],
  ["#f8e8d8", "#e6a273", "#a84e33", "#f2cd92"],
  ["#e3eaf4", "#8ea9d4", "#2f4b82", "#f0b8a1"],
  ["#f8e4e3", "#e39a9d", "#9c3a4b", "#f3cf9c"],
  ["#ece6f3", "#ae97cf", "#5b4188", "#efc47d"],
  ["#f1efd9", "#c6bb68", "#77702a", "#d98a5b"],
  ["#dfeef0", "#7fb9c2", "#23616d", "#efa98c"],
  ["#efe7e0", "#bf9f86", "#6a4b3a", "#93b7a4"],
];
const MOTIFS = [hills, rainbow, petals, orbs, scales, vessel, sprig];

/** The picture as an SVG element; it says nothing that the goods' title does not, so it is hidden from readers. */
export function artwork(sku) {
  const random = numbers(sku);
  const palette = PALETTES[Math.floor(random() * PALETTES.length)];
  const motif = MOTIFS[Math.floor(random() * MOTIFS.length)];
  const picture = drawing(`0 0 ${WIDTH} ${HEIGHT}`, "art");
  picture.setAttribute("preserveAspectRatio", "xMidYMid slice");
  picture.append(rectangle(0, 0, WIDTH, HEIGHT, palette[0]), ...motif(palette, random));
  return picture;
}

/** An empty basket, in the colours of the page. */
export function basketPicture() {
  const round = { "stroke-linecap": "round", "stroke-linejoin": "round" };
  const line = { fill: "none", stroke: "currentColor", "stroke-width": 3, ...round };
  const picture = drawing("0 0 64 56", "basket-picture");
  picture.append(shape("path", { d: "M6 22H58L53 48a4 4 0 0 1-4 3H15a4 4 0 0 1-4-3Z", ...line }),
    shape("path", { d: "M18 22 28 5M46 22 36 5M24 31V42M32 31V42M40 31V42", ...line }));
  return picture;
}

function drawing(viewBox, look) {
  return shape("svg", { viewBox, class: look, "aria-hidden": "true", focusable: "false" });
}

function hills([, light, deep, bright], random) {
  const sun = circle(30 + random() * 60, 26 + random() * 10, 11 + random() * 5, bright);
  const layer = (height, fill, opacity) => {
    const [one, other] = [height - 18 + random() * 14, height + random() * 14];
    const ridge = `M0 ${height}C30 ${one} 45 ${one} 66 ${height - 4}S100 ${other} 120 ${height - 10}V90H0Z`;
    return path(ridge, fill, opacity);
  };
  return [sun, layer(52, light, 0.55), layer(62, light, 1), layer(74, deep, 1)];
}

function rainbow([ground, light, deep, bright], random) {
  const x = 12 + random() * 96;
  const wide = Math.abs(x - 60) > 24 ? 1.5 : 1;
  const arcs = [[40, deep], [33, light], [26, bright], [19, deep], [12, ground]];
  const moon = circle(x > 60 ? 22 + random() * 12 : 98 - random() * 12, 22, 6 + random() * 5, bright);
  return [moon, ...arcs.map(([radius, fill]) => half(x, 78, radius * wide, fill)), rectangle(0, 78, WIDTH, 12, light)];
}

function sprig([, light, deep, bright], random) {
  const lean = random() * 24 - 12;
  const leaves = [74, 60, 46, 33, 22].flatMap((y, place) => {
    const x = 60 + (lean * (82 - y)) / 70;
    const size = 1 - place * 0.13;
    const [left, right] = place % 2 ? [light, deep] : [deep, light];
    return [leaf(x, y, 20 * size, -1, left), leaf(x, y - 5, 20 * size, 1, right)];
  });
  const stem = path(`M59 90L${60 + lean - 0.6} 12H${60 + lean + 0.6}L61 90Z`, deep, 1);
  return [circle(random() < 0.5 ? 26 : 94, 26 + random() * 10, 12, bright), stem, ...leaves];
}

function leaf(x, y, size, side, fill) {
  const tip = `${x + side * size * 1.5} ${y - size * 0.75}`;
  const [over, under] = [`${x + side * size * 0.5} ${y - size}`, `${x + side * size} ${y + size * 0.3}`];
  return path(`M${x} ${y}Q${over} ${tip}Q${under} ${x} ${y}Z`, fill, 1);
}

function petals([ground, light, deep, bright], random) {
  const tiles = [];
  for (let x = 0; x < WIDTH; x += 30) {
    for (let y = 0; y < HEIGHT; y += 30) tiles.push(...petal(x, y, random, [light, deep, bright, ground]));
  }
  return tiles;
}

function petal(x, y, random, fills) {
  const fill = fills[Math.floor(random() * fills.length)];
  const turns = Math.floor(random() * 4);
  const leaf = random() < 0.6 ? "M0 30A30 30 0 0 1 30 0A30 30 0 0 1 0 30Z" : "M0 0H30A30 30 0 0 1 0 30Z";
  const drawn = path(leaf, fill, 1);
  drawn.setAttribute("transform", `translate(${x} ${y}) rotate(${turns * 90} 15 15)`);
  return random() < 0.12 ? [circle(x + 15, y + 15, 9, fill)] : [drawn];
}

function orbs([, light, deep, bright], random) {
  const spot = (fill, least, most, opacity) =>
    circle(25 + random() * 70, 20 + random() * 50, least + random() * (most - least), fill, opacity);
  return [spot(light, 26, 36, 0.9), spot(bright, 16, 24, 0.9), spot(deep, 12, 22, 0.85), spot(light, 5, 8, 1),
    spot(deep, 3, 5, 1)];
}

function scales([ground, light, deep, bright], random) {
  const rows = [];
  const accent = Math.floor(random() * 12);
  for (let row = 0, count = 0; row < 7; row += 1) {
    for (let x = row % 2 ? 0 : 15; x <= WIDTH + 15; x += 30, count += 1) {
      const fills = [count % 13 === accent ? bright : deep, ground, light, ground];
      rows.push(...fills.map((fill, ring) => circle(x, 18 + row * 15, 15 - ring * 3.8, fill)));
    }
  }
  return rows;
}

function vessel([, light, deep, bright], random) {
  const belly = 14 + random() * 8;
  const neck = 5 + random() * 5;
  const top = 30 + random() * 8;
  const [left, right] = [60 - neck, 60 + neck];
  const pot = `M${left} ${top}H${right}C${right} ${top + 12} ${60 + belly + 6} ${top + 14} ${60 + belly} 66` +
    `Q${60 + belly - 2} 74 60 74T${60 - belly} 66C${60 - belly - 6} ${top + 14} ${left} ${top + 12} ${left} ${top}Z`;
  return [circle(60, 44, 34, light, 0.55), rectangle(0, 70, WIDTH, 20, light), path(pot, deep, 1),
    rectangle(left - 2, top - 3, 2 * neck + 4, 4, bright)];
}

function half(x, y, radius, fill) {
  return path(`M${x - radius} ${y}A${radius} ${radius} 0 0 1 ${x + radius} ${y}Z`, fill, 1);
}

function circle(cx, cy, r, fill, opacity = 1) {
  return shape("circle", { cx: round(cx), cy: round(cy), r: round(r), fill, opacity });
}

function rectangle(x, y, width, height, fill) {
  return shape("rect", { x: round(x), y: round(y), width: round(width), height: round(height), fill });
}

function path(d, fill, opacity) {
  return shape("path", { d: d.replace(/\d+\.\d+/g, (number) => round(Number(number))), fill, opacity });
}

function shape(tag, attributes) {
  const element = document.createElementNS(NAMESPACE, tag);
  for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
  return element;
}

function round(number) {
  return Math.round(number * 10) / 10;
}

/** Numbers from 0 to 1 that follow from the text (FNV-1a, then xorshift). */
function numbers(text) {
  let state = [...text].reduce((sum, letter) => Math.imul(sum ^ letter.codePointAt(0), 16777619), 2166136261) || 1;
  const next = () => {
    state ^= state << 13;
    state ^= state >>> 17;
    state ^= state << 5;
    return (state >>> 0) / 4294967296;
  };
  for (let mixed = 0; mixed < MIXING; mixed += 1) next();
  return next;
}
