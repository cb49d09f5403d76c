"use strict";
// Runs the scripts of a report of wsbench in a document that only remembers what was put into it, and prints what a reader
// would see: the headings of charts and tables, how many curves were drawn, and all texts.
//
//   node page_check.js PAGE
const fs = require("fs");
const vm = require("vm");

const page = fs.readFileSync(process.argv[2], "utf8");
const scripts = [...page.matchAll(/<script>([^]*?)<\/script>/g)].map((match) => match[1]);
const data = page.match(/<script type="application\/json" id="data">([^]*?)<\/script>/)[1];

class Element {
  constructor(name) {
    Object.assign(this, { name, attributes: {}, children: [], dataset: {}, style: { setProperty() {} }, hidden: false });
    this.clientWidth = 600;
    this.offsetWidth = 120;
    this.listeners = {};
    const names = new Set();
    this.classList = { add: (each) => names.add(each), contains: (each) => names.has(each) };
  }
  setAttribute(key, value) {
    if (String(value).match(/NaN|undefined|Infinity/)) throw new Error(`${this.name} ${key}=${value}`);
    this.attributes[key] = String(value);
    if (key === "class") String(value).split(" ").forEach((each) => this.classList.add(each));
  }
  append(...children) { this.children.push(...children); }
  replaceChildren(...children) { this.children = children; }
  addEventListener(name, act) { this.listeners[name] = act; }
  getBoundingClientRect() { return { left: 0, width: 600 }; }
  get lastElementChild() { return this.children.at(-1); }
  get textContent() { return this.text ?? this.children.map((child) => child.textContent ?? String(child)).join(""); }
  set textContent(text) { this.text = String(text); }
  *all() {
    yield this;
    for (const child of this.children) if (child instanceof Element) yield* child.all();
  }
}

const byId = {};
const document = {
  documentElement: new Element("html"),
  getElementById: (id) => byId[id] ??= new Element(id),
  createElement: (name) => new Element(name),
  createElementNS: (space, name) => new Element(name),
};
document.getElementById("data").textContent = data;
const media = { matches: false, addEventListener() {} };
const context = vm.createContext({
  document, matchMedia: () => media, ResizeObserver: class { observe() {} }, console,
});
for (const script of scripts) vm.runInContext(script, context);

const elements = Object.values(byId).flatMap((element) => [...element.all()]);
// Readers also point at charts and switch their scale.
for (const element of elements) {
  if (element.name === "button") element.listeners.click?.();
}
for (const element of Object.values(byId).flatMap((each) => [...each.all()])) {
  if (element.name !== "svg") continue;
  for (const clientX of [0, 150, 300, 599]) element.listeners.pointermove({ clientX });
  element.listeners.keydown({ key: "ArrowRight", preventDefault() {} });
  element.listeners.pointerleave();
}
console.log(JSON.stringify({
  headings: elements.filter((element) => element.name === "h2").map((element) => element.textContent),
  curves: elements.filter((element) => element.attributes.class === "curve").length,
  verdict: byId.verdict.textContent,
  reasons: byId.reasons?.children.map((child) => child.textContent) ?? [],
  text: Object.values(byId).filter((element) => element.name !== "data").map((element) => element.textContent).join("\n"),
}));
