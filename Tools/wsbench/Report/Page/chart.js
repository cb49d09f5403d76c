"use strict";
// Figures and charts. Nothing is fetched; texts of the data are set as texts, never as markup.

const data = JSON.parse(document.getElementById("data").textContent);
const result = data.result;
const $ = (id) => document.getElementById(id);

// Elements

const SVG = "http://www.w3.org/2000/svg";
function make(name, attributes = {}, ...children) {
  const isDrawing = ["svg", "g", "path", "line", "rect", "circle", "text", "title"].includes(name);
  const element = isDrawing ? document.createElementNS(SVG, name) : document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (value != null) element.setAttribute(key, value);
  }
  element.append(...children.filter((child) => child != null));
  return element;
}

// Figures, as wsbench writes them

const NARROW = "\u202f";
function count(value) {
  const digits = Math.abs(Math.round(value)).toString();
  const text = digits.length > 4 ? digits.replace(/\B(?=(\d{3})+$)/g, NARROW) : digits;
  return (value < 0 && digits !== "0" ? "-" : "") + text;
}
function brief(value) {
  const size = Math.abs(value);
  return size >= 100 ? count(value) : size >= 10 ? value.toFixed(1) : size === 0 ? "0" : value.toFixed(2);
}
const timeUnits = [[1e6, "s"], [1e3, "ms"], [0, "µs"]];
const byteUnits = [[2 ** 30, "GiB"], [2 ** 20, "MiB"], [10240, "KiB", 1024], [0, "B"]];
function inUnit(value, units, show) {
  const [least, name, divisor] = units.find(([least]) => Math.abs(value) >= least);
  return [show(value / (divisor || least || 1)), name];
}
const time = (value) => inUnit(value, timeUnits, brief).join(" ");
const inBytes = (value) => inUnit(value, byteUnits, Math.abs(value) >= 10240 ? brief : count);
const bytes = (value) => inBytes(value).join(" ");
const trim = (value) => String(+value.toPrecision(3));
const axisTime = (value) => value === 0 ? "0" : inUnit(value, timeUnits, trim).join(" ");
const axisBytes = (value) => value === 0 ? "0" : inUnit(value, byteUnits, trim).join(" ");
function axisCount(value) {
  const size = Math.abs(value);
  return size >= 1e6 ? trim(value / 1e6) + " M" : size >= 1e4 ? trim(value / 1e3) + " k" : trim(value);
}
const percent = (value) => brief(value * 100) + " %";
const axisPercent = (value) => trim(value * 100) + " %";
const seconds = (value) => value >= 600 ? trim(value / 60) + " min" : trim(value) + " s";
function measured(detail) {
  if (detail.unit === "µs") return time(detail.value);
  if (detail.unit === "bytes") return bytes(detail.value);
  const text = Number.isInteger(detail.value) ? count(detail.value) : brief(detail.value);
  return detail.unit ? text + " " + detail.unit : text;
}

// Scales and ticks

function linearTicks(low, high, wanted, steps = [1, 2, 2.5, 5, 10]) {
  const rough = (high - low) / wanted || 1;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = steps.map((each) => each * power).find((each) => each >= rough) || 10 * power;
  const ticks = [];
  for (let index = Math.ceil(low / step - 1e-9); index * step <= high + step * 1e-9; index++) ticks.push(index * step);
  return { ticks, step };
}
function byteTicks(high, wanted) {
  let step = 1;
  while (step * wanted < high) step *= 2;
  return { ticks: Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, index) => index * step), step };
}
function logTicks(low, high) {
  const ticks = [];
  const isWide = high / low > 1e3;
  for (let power = Math.floor(Math.log10(low)); power <= Math.ceil(Math.log10(high)); power++) {
    for (const digit of isWide ? [1] : [1, 2, 5]) {
      const tick = digit * 10 ** power;
      if (tick >= low * 0.999 && tick <= high * 1.001) ticks.push(tick);
    }
  }
  return ticks;
}

// A chart draws itself anew whenever its width, its scale or its theme changes.

const charts = [];
function chart(options) {
  const plot = make("div", { class: "plot" });
  const legend = make("div", { class: "legend" });
  for (const series of options.series) {
    legend.append(make("span", { style: `--key: var(--${series.color})` }, series.name));
  }
  const state = { isLog: options.isLog ?? false, hover: null };
  if (options.canSwitch) {
    const button = make("button", { type: "button" });
    const label = () => { button.textContent = state.isLog ? "logarithmic" : "linear"; };
    button.addEventListener("click", () => { state.isLog = !state.isLog; label(); draw(); });
    label();
    legend.append(button);
  }
  const card = make(
    "article", { class: "card" + (options.isWide ? " wide" : "") },
    make("div", { class: "head" }, make("h2", {}, options.title), legend),
    options.about ? make("p", { class: "about" }, options.about) : null, plot);
  let drawnWidth = 0;
  function draw() {
    drawnWidth = Math.round(plot.clientWidth);
    if (drawnWidth > 0) drawChart(plot, drawnWidth, options, state);
  }
  new ResizeObserver(() => { if (Math.round(plot.clientWidth) !== drawnWidth) draw(); }).observe(plot);
  charts.push(draw);
  $("charts").append(card);
}

function drawChart(plot, width, options, state) {
  const height = options.isWide ? Math.max(230, Math.min(330, width * 0.34)) : 210;
  const values = options.series.flatMap((series) => series.points.map((point) => point[1]))
    .filter((value) => value != null);
  const positive = values.filter((value) => value > 0);
  const highest = Math.max(...values, options.least || 0);
  const isLog = state.isLog && positive.length > 0;
  let low = 0, high, ticks;
  if (isLog) {
    low = Math.min(...positive) / 1.15;
    high = Math.max(highest, low * 4) * 1.15;
    ticks = logTicks(low, high);
  } else {
    const found = options.isBinary ? byteTicks(highest || 1, 5) : linearTicks(0, highest || 1, 4);
    high = Math.ceil((highest || 1) / found.step - 1e-9) * found.step;
    ticks = options.isBinary ? byteTicks(high, 5).ticks : linearTicks(0, high, 4).ticks;
  }
  const label = options.axis;
  const longest = Math.max(...ticks.map((tick) => label(tick).length), 3);
  const box = { left: Math.min(90, 12 + longest * 6.6), right: 14, top: options.marks?.length ? 22 : 10, bottom: 26 };
  const inner = { width: Math.max(40, width - box.left - box.right), height: height - box.top - box.bottom };
  const [xLow, xHigh] = options.xRange;
  const x = (value) => box.left + (value - xLow) / (xHigh - xLow || 1) * inner.width;
  const y = (value) => {
    const share = isLog ? Math.log(Math.max(value, low) / low) / Math.log(high / low) : value / high;
    return box.top + inner.height * (1 - share);
  };
  const svg = make("svg", { viewBox: `0 0 ${width} ${height}`, height, role: "img", tabindex: 0 },
    make("title", {}, `${options.title}: ${options.series.map((series) => series.name).join(", ")}`));
  for (const band of options.bands || []) {
    const left = Math.max(x(band.from), box.left), right = Math.min(x(band.to), box.left + inner.width);
    if (right <= left) continue;
    svg.append(make("rect", {
      class: "band", x: left, y: box.top, width: right - left, height: inner.height,
    }));
  }
  for (const tick of ticks) {
    const at = y(tick);
    svg.append(make("line", { class: "grid", x1: box.left, x2: box.left + inner.width, y1: at, y2: at }));
    svg.append(make("text", { x: box.left - 8, y: at + 4, "text-anchor": "end" }, label(tick)));
  }
  const base = box.top + inner.height;
  svg.append(make("line", { class: "axis", x1: box.left, x2: box.left + inner.width, y1: base, y2: base }));
  const room = Math.max(2, Math.floor(inner.width / 70));
  let lastEnd = -Infinity;
  for (const [value, text] of options.xTicks(room)) {
    const at = x(value), half = text.length * 3.2;
    const isAtEnd = at + half > width, start = isAtEnd ? at - 2 * half : at - half;
    if (start < lastEnd + 6) continue;
    lastEnd = start + 2 * half;
    svg.append(make("text", { x: at, y: height - 7, "text-anchor": isAtEnd ? "end" : "middle" }, text));
  }
  drawMarks(svg, options.marks || [], x, box, inner, base);
  for (const series of options.series) {
    const color = `var(--${series.color})`;
    for (const run of runs(series.points)) {
      const path = run.map(([px, py], index) => `${index ? "L" : "M"}${x(px).toFixed(1)} ${y(py).toFixed(1)}`).join("");
      if (series.isFilled && !isLog) {
        const area = `${path}L${x(run.at(-1)[0]).toFixed(1)} ${base}L${x(run[0][0]).toFixed(1)} ${base}Z`;
        svg.append(make("path", { d: area, fill: color, "fill-opacity": 0.13 }));
      }
      if (!series.isDotted) {
        svg.append(make("path", { class: "curve", d: path, stroke: color }));
      }
      if (series.isDotted || run.length === 1) {
        for (const point of run) {
          svg.append(make("circle", {
            cx: x(point[0]), cy: y(point[1]), r: 4.5, fill: point[2] === false ? "var(--card)" : color, stroke: color,
            "stroke-width": 2,
          }));
        }
      }
    }
  }
  const tip = make("div", { class: "tip", hidden: "" });
  const cross = make("g", {});
  svg.append(cross);
  listen(svg, tip, cross, { width, box, inner, x, y, xLow, xHigh, base }, options);
  plot.replaceChildren(svg, tip);
}

/** Lines at moments. A text stands right of its line, or left where the next one or the end is too near. */
function drawMarks(svg, marks, x, box, inner, base) {
  const seen = marks.map((mark) => ({ at: x(mark.atSeconds), text: mark.text, size: mark.text.length * 6.3 }))
    .filter((mark) => mark.at >= box.left && mark.at <= box.left + inner.width);
  let end = box.left - 20;
  seen.forEach((mark, index) => {
    svg.append(make("line", { class: "mark", x1: mark.at, x2: mark.at, y1: box.top - 4, y2: base }));
    const limit = index + 1 < seen.length ? seen[index + 1].at : box.left + inner.width + box.right;
    const fitsRight = mark.at + mark.size <= limit, fitsLeft = mark.at - mark.size >= end;
    if (!fitsRight && !fitsLeft) return;
    svg.append(make("text", {
      x: mark.at + (fitsRight ? 0 : -2), y: box.top - 9, "text-anchor": fitsRight ? "start" : "end",
    }, mark.text));
    end = (fitsRight ? mark.at + mark.size : mark.at) + 8;
  });
}

/** Pieces of a curve without gaps. */
function runs(points) {
  const found = [];
  let current = [];
  for (const point of points) {
    if (point[1] == null) {
      if (current.length) found.push(current);
      current = [];
    } else current.push(point);
  }
  if (current.length) found.push(current);
  return found;
}

function listen(svg, tip, cross, place, options) {
  const columns = [...new Set(options.series.flatMap((series) => series.points.map((point) => point[0])))]
    .sort((first, second) => first - second);
  let chosen = -1;
  function hide() {
    chosen = -1;
    tip.hidden = true;
    cross.replaceChildren();
  }
  function show(index) {
    if (index < 0 || index >= columns.length) return;
    chosen = index;
    const at = columns[index];
    const rows = options.series.map((series) => [series, nearest(series.points, at)])
      .filter(([, point]) => point && point[1] != null);
    cross.replaceChildren(
      make("line", { class: "cross", x1: place.x(at), x2: place.x(at), y1: place.box.top, y2: place.base }),
      ...rows.map(([series, point]) => make("circle", {
        cx: place.x(point[0]), cy: place.y(point[1]), r: 3.5, fill: `var(--${series.color})`,
      })));
    tip.replaceChildren(
      make("b", {}, options.xText(at)),
      ...rows.map(([series, point]) => make(
        "div", {}, make("i", { style: `--key: var(--${series.color})` }, series.name),
        make("span", {}, options.text(point[1]) + (point[3] ? `, ${point[3]}` : "")))));
    tip.hidden = false;
    const left = place.x(at) + 14;
    const wide = tip.offsetWidth;
    tip.style.left = `${left + wide > place.width ? Math.max(0, place.x(at) - wide - 14) : left}px`;
    tip.style.top = `${place.box.top + 6}px`;
  }
  svg.addEventListener("pointermove", (event) => {
    const bounds = svg.getBoundingClientRect();
    const share = ((event.clientX - bounds.left) * place.width / bounds.width - place.box.left) / place.inner.width;
    if (share < -0.02 || share > 1.02) return hide();
    const wanted = place.xLow + share * (place.xHigh - place.xLow);
    let best = 0;
    columns.forEach((column, index) => {
      if (Math.abs(column - wanted) < Math.abs(columns[best] - wanted)) best = index;
    });
    show(best);
  });
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
    if (!step) return;
    event.preventDefault();
    show(chosen < 0 ? 0 : Math.min(columns.length - 1, Math.max(0, chosen + step)));
  });
}

function nearest(points, at) {
  let best = null;
  for (const point of points) {
    if (!best || Math.abs(point[0] - at) < Math.abs(best[0] - at)) best = point;
  }
  return best;
}
