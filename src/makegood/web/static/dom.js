/** Building and changing the page. Text only ever becomes text, never markup. */

/** An element; `on` holds its listeners, null and false attributes are left out. */
export function h(tag, attributes = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (name === "on") listen(element, value);
    else if (value === true) element.setAttribute(name, "");
    else if (value !== false && value !== null && value !== undefined) element.setAttribute(name, value);
  }
  element.append(...children.flat().filter((child) => child !== null && child !== undefined && child !== false));
  return element;
}

function listen(element, listeners) {
  for (const [event, listener] of Object.entries(listeners)) element.addEventListener(event, listener);
}

/** A button that is no submit button. */
export function button(label, listener, attributes = {}) {
  return h("button", { type: "button", ...attributes, on: { click: listener } }, label);
}

/** A button that does slow work: it says so, and takes no second click meanwhile. It keeps the focus. */
export function workButton(label, busyLabel, work, attributes = {}) {
  const element = button(label, async () => {
    if (element.getAttribute("aria-disabled") === "true") return;
    element.setAttribute("aria-disabled", "true");
    element.textContent = busyLabel;
    try {
      await work();
    } finally {
      element.removeAttribute("aria-disabled");
      element.textContent = label;
    }
  }, attributes);
  return element;
}

/** Sets the text only when it differs, so that nothing is announced twice. */
export function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

/** Puts these children in this order; the same ones are left alone, and so keep the focus. */
export function setChildren(element, children) {
  const same = children.every((child, place) => element.children[place] === child);
  if (!same || element.children.length !== children.length) element.replaceChildren(...children);
}

/** A part of the page that is built anew only when what it shows has changed. */
export function part(tag, attributes, build) {
  const element = h(tag, { ...attributes, hidden: true });
  let shown;
  return {
    element,
    show(data) {
      const now = JSON.stringify(data);
      if (now === shown) return;
      shown = now;
      const hadFocus = element.contains(document.activeElement);
      element.replaceChildren(...[build(data)].flat().filter(Boolean));
      element.hidden = element.childElementCount === 0;
      if (hadFocus && !element.contains(document.activeElement)) focusOn(document.querySelector("main h1"));
    },
  };
}

/** A message that stays: kind is good, bad, warn or plain. Bad ones interrupt a screen reader. */
export function notice(kind, text, ...more) {
  return h("div", { class: `notice ${kind}`, role: kind === "bad" ? "alert" : "status" }, h("p", {}, text), ...more);
}

/** Says something in passing, to eyes and screen readers. */
export function say(text) {
  const says = document.getElementById("says");
  says.textContent = text;
  clearTimeout(say.timer);
  say.timer = setTimeout(() => { says.textContent = ""; }, 4000);
}

/** Moves the focus to an element that need not be a control. */
export function focusOn(element) {
  if (!element) return;
  if (!element.hasAttribute("tabindex")) element.setAttribute("tabindex", "-1");
  element.focus({ preventScroll: false });
}

/** A date and time as people here write it; `time` elements keep the exact moment. */
export function moment(rfc3339, options = { dateStyle: "medium", timeStyle: "short" }) {
  return h("time", { datetime: rfc3339 }, new Intl.DateTimeFormat(undefined, options).format(new Date(rfc3339)));
}

/** Asks before something that cannot be taken back; resolves to whether the person agreed. */
export function confirmed(question, explanation, agree) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { class: "ask", "aria-labelledby": "ask-title" },
      h("h2", { id: "ask-title" }, question), h("p", {}, explanation),
      h("div", { class: "row end" },
        button("Back", () => dialog.close("no"), { class: "quiet" }),
        button(agree, () => dialog.close("yes"), { class: "danger" })));
    dialog.addEventListener("close", () => { dialog.remove(); resolve(dialog.returnValue === "yes"); });
    document.body.append(dialog);
    dialog.showModal();
  });
}
