"""What every page must be for those who do not see it, or see little of it: a small audit that runs in the page."""

from playwright.async_api import Page

AUDIT = """() => {
  const found = [];
  const seen = (element) => element.checkVisibility({ visibilityProperty: true });
  const all = (what) => [...document.querySelectorAll(what)].filter(seen);
  const text = (ids) => (ids ?? "").split(" ").map((id) => document.getElementById(id)?.textContent ?? "").join(" ");
  const nameOf = (element) => [element.getAttribute("aria-label"), text(element.getAttribute("aria-labelledby")),
    ...[...(element.labels ?? [])].map((label) => label.textContent), element.innerText,
    ...[...element.querySelectorAll("img")].map((image) => image.alt)].join("").trim();
  const short = (element) => element.outerHTML.slice(0, 120);
  for (const control of all("a[href], button, input, select, textarea, [role=button], summary")) {
    if (!nameOf(control)) found.push(`no name: ${short(control)}`);
  }
  for (const image of all("img")) if (!image.hasAttribute("alt")) found.push(`no alt: ${short(image)}`);
  for (const picture of all("svg")) {
    if (picture.getAttribute("aria-hidden") !== "true" && !nameOf(picture)) found.push(`no name: ${short(picture)}`);
  }
  for (const what of ["section", "dialog[open]", "nav", "fieldset"]) {
    for (const part of all(what)) {
      const legend = part.querySelector("legend")?.textContent ?? "";
      const label = part.getAttribute("aria-label") ?? text(part.getAttribute("aria-labelledby"));
      if (!(label + legend).trim()) found.push(`no name: ${short(part)}`);
    }
  }
  const headings = all("h1, h2, h3, h4, h5, h6").map((heading) => Number(heading.tagName[1]));
  if (headings.filter((level) => level === 1).length !== 1) found.push(`h1: not one but of levels ${headings}`);
  headings.forEach((level, place) => {
    if (level > (headings[place - 1] ?? 0) + 1) found.push(`headings jump: ${headings.slice(0, place + 1)}`);
  });
  const ids = [...document.querySelectorAll("[id]")].map((element) => element.id);
  for (const id of ids) if (ids.indexOf(id) !== ids.lastIndexOf(id)) found.push(`two elements have the id ${id}`);
  for (const element of all("[aria-labelledby], [aria-describedby]")) {
    const named = `${element.getAttribute("aria-labelledby") ?? ""} ${element.getAttribute("aria-describedby") ?? ""}`;
    for (const id of named.split(" ").filter(Boolean)) if (!ids.includes(id)) found.push(`nothing has the id ${id}`);
  }
  if (all("main").length !== 1) found.push("not one main");
  if (!document.documentElement.lang) found.push("no language");
  if (!document.title) found.push("no title");
  for (const element of all("[tabindex]")) if (element.tabIndex > 0) found.push(`tabindex: ${short(element)}`);
  if (document.documentElement.scrollWidth > innerWidth) found.push(`scrolls sideways: ${widest()}`);
  return found;

  function widest() {
    return [...document.body.querySelectorAll("*")].filter((one) => one.getBoundingClientRect().right > innerWidth + 1)
      .slice(0, 3).map(short).join(" ");
  }
}"""
"""Names of controls, images and landmarks; order of headings; ids; no scrolling sideways."""
CONTRAST = """() => {
  const known = new Map();
  const channels = (colour) => {
    if (!known.has(colour)) known.set(colour, painted(colour));
    return known.get(colour);
  };
  const painted = (colour) => {
    const canvas = new OffscreenCanvas(1, 1).getContext("2d", { willReadFrequently: true });
    canvas.fillStyle = colour;
    canvas.fillRect(0, 0, 1, 1);
    return [...canvas.getImageData(0, 0, 1, 1).data].map((part) => part / 255);
  };
  const light = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const luminance = ([red, green, blue]) => 0.2126 * light(red) + 0.7152 * light(green) + 0.0722 * light(blue);
  const over = (above, below) => above.map((part, place) => part * above[3] + below[place] * (1 - above[3]));
  const behind = (element) => {
    if (!element) return [1, 1, 1, 1];
    const own = channels(getComputedStyle(element).backgroundColor);
    return own[3] > 0.99 ? own : over(own, behind(element.parentElement));
  };
  const found = new Set();
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    if (!walker.currentNode.data.trim() || !element.checkVisibility({ visibilityProperty: true })) continue;
    if (element.closest("[disabled], [aria-disabled=true], .hidden, noscript, label:has(:disabled)")) continue;
    const ground = behind(element);
    const style = getComputedStyle(element);
    const [one, other] = [luminance(over(channels(style.color), ground)), luminance(ground)];
    const contrast = (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05);
    if (contrast < 4.5) found.add(`${contrast.toFixed(2)}: ${walker.currentNode.data.trim().slice(0, 60)}`);
  }
  return [...found];
}"""
"""Text whose contrast to what is behind it is below 4.5 (https://www.w3.org/TR/WCAG21/#contrast-minimum)."""


async def defects(page: Page) -> list[str]:
    """What is wrong with the page as it is now."""
    return [*(await page.evaluate(AUDIT)), *(await page.evaluate(CONTRAST))]
