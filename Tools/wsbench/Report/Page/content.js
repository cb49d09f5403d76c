"use strict";
// What is on the page

const scenario = result.scenario;
const intended = result.latency.intended, service = result.latency.service;
const plural = (value, noun) => `${count(value)} ${noun}${value === 1 ? "" : "s"}`;

function header() {
  $("title").textContent = scenario.label || scenario.name;
  const parts = [scenario.label ? scenario.name : null, scenario.dialect, plural(scenario.connections, "connection"),
    plural(scenario.channels, "channel")];
  if (scenario.messageBytes) parts.push(bytes(scenario.messageBytes).replace(" B", " bytes"));
  if (scenario.perSecond) parts.push(`open loop at ${count(scenario.perSecond)} messages/s`);
  if (scenario.window) parts.push(`closed loop, ${count(scenario.window)} in flight`);
  parts.push(result.environment.startedAt.replace("T", " ").replace("Z", " UTC"));
  $("subtitle").textContent = parts.filter(Boolean).join(" · ");
  const verdict = $("verdict");
  verdict.textContent = result.verdict.isGood ? "✓ Result holds" : "✕ No good result";
  if (!result.verdict.isGood) verdict.classList.add("bad");
  for (const reason of result.verdict.reasons) $("reasons").append(make("p", { class: "remark bad" }, reason));
  for (const note of result.verdict.notes) $("reasons").append(make("p", { class: "remark" }, note));
}

function tiles() {
  const found = [];
  const add = (name, [value, unit], more, isBad) => found.push({ name, value, unit, more, isBad });
  if (result.delivered) {
    const more = result.expected ? `${percent(result.delivered / result.expected)} of expected` : "to subscribers";
    add("delivered", [count(result.deliveredPerSecond), "/s"], more);
  }
  if (result.published) add("published", [count(result.publishedPerSecond), "/s"], `${count(result.published)} in all`);
  if (intended) {
    add("latency p50", inUnit(intended.p50, timeUnits, brief), `p90 ${time(intended.p90)}`);
    add("latency p99", inUnit(intended.p99, timeUnits, brief), `p99.9 ${time(intended.p999)}`);
  }
  const cost = result.cost;
  if (cost.serverMicrosecondsPerDelivery != null) {
    const share = cost.serverCPUShare != null ? ` · ${Math.round(cost.serverCPUShare * 100)} %` : "";
    add("server CPU", [cost.serverMicrosecondsPerDelivery.toFixed(2), "µs"], `per delivery${share}`);
  }
  if (result.memory) {
    const each = result.memory.residentBytesPerConnection;
    add("server memory", inBytes(each), "per connection");
  }
  const faults = data.faults.reduce((sum, fault) => sum + fault.count, 0);
  const worst = data.faults.filter((fault) => fault.count).map((fault) => fault.name);
  add("faults", [count(faults), ""], faults ? worst.join(", ") : "all came, in order", faults > 0);
  for (const tile of found) {
    $("tiles").append(make(
      "div", { class: "tile" + (tile.isBad ? " bad" : "") }, make("p", { class: "name" }, tile.name),
      make("p", { class: "value" }, tile.value, tile.unit ? make("small", {}, tile.unit) : null),
      make("p", { class: "more", title: tile.more }, tile.more)));
  }
}

// Percentiles stand on an axis that gives each further nine the same room.
function percentiles() {
  const curves = [["intended", "a"], ["service", "b"]].filter(([name]) => data.curves[name]);
  if (!curves.length) return;
  const most = Math.max(...curves.map(([name]) => data.curves[name].at(-1)[0]));
  const name = (depth) => depth === 0 ? "0 %" : `${+(100 - 100 * 10 ** -depth).toFixed(Math.max(0, depth - 2))} %`;
  const end = Math.max(2, most);
  chart({
    title: "Latency by percentile", isWide: true, canSwitch: true, isLog: true,
    about: curves.length > 1
      ? "Where the two part, messages waited to be sent. To look at the service time only is to leave that wait out."
      : null,
    series: curves.map(([key, color]) => ({
      name: key === "intended" ? "from the intended send time" : "from the real send time", color,
      points: data.curves[key],
    })),
    axis: axisTime, text: time, xRange: [0, end],
    xText: (depth) => `${(100 - 100 * 10 ** -depth).toFixed(depth < 1 ? 1 : Math.ceil(depth))} %`,
    xTicks: () => [0, Math.log10(2)].concat(Array.from({ length: Math.floor(end + 1e-9) }, (_, index) => index + 1))
      .map((depth) => [depth, depth > 0 && depth < 1 ? "50 %" : name(depth)]),
  });
}

function overTime() {
  const intervals = result.intervals;
  if (intervals.length < 2) return;
  const last = intervals.at(-1);
  const xRange = [intervals[0].atSeconds, last.atSeconds + last.seconds];
  const middle = (interval) => interval.atSeconds + interval.seconds / 2;
  const points = (value) => intervals.map((interval) => [middle(interval), value(interval) ?? null]);
  // Memory and descriptors are looked at less often than the rest.
  const known = (value) => points(value).filter((point) => point[1] != null);
  const has = (value) => intervals.some((interval) => value(interval) != null);
  const bands = [];
  // A search measures in many short phases of its own: then all of it counts.
  const isMeasured = (phase) => phase === "measuring";
  for (const interval of intervals.some((each) => isMeasured(each.phase)) ? intervals : []) {
    if (isMeasured(interval.phase)) continue;
    const end = interval.atSeconds + interval.seconds;
    if (bands.length && Math.abs(bands.at(-1).to - interval.atSeconds) < 1e-6) bands.at(-1).to = end;
    else bands.push({ from: interval.atSeconds, to: end });
  }
  const phaseAt = (at) => intervals.find((each) => at <= each.atSeconds + each.seconds)?.phase;
  const common = {
    xRange, bands, marks: result.marks,
    xText: (at) => `${seconds(at)}${phaseAt(at) && phaseAt(at) !== "measuring" ? ` · ${phaseAt(at)}` : ""}`,
    xTicks: (room) => linearTicks(...xRange, Math.min(room, 8), xRange[1] > 300 ? [1.2, 3, 6, 12] : undefined)
      .ticks.map((tick) => [tick, seconds(tick)]),
  };
  const shaded = bands.length ? "Shaded: not measured." : null;
  const rate = (value) => points((interval) => interval.seconds > 0 ? value(interval) / interval.seconds : null);
  if (has((interval) => interval.delivered || null)) {
    chart({
      ...common, title: "Deliveries a second", about: shaded, axis: axisCount, text: (value) => `${count(value)} /s`,
      series: [{ name: "delivered", color: "a", isFilled: true, points: rate((interval) => interval.delivered) }],
    });
  }
  if (has((interval) => interval.p99)) {
    chart({
      ...common, title: "Latency over time", about: "From the intended send time.", axis: axisTime,
      text: time, canSwitch: true, isLog: true,
      series: [
        { name: "p50", color: "d", points: points((interval) => interval.p50) },
        { name: "p99", color: "a", points: points((interval) => interval.p99) },
      ],
    });
  }
  if (has((interval) => interval.serverCPUShare) || has((interval) => interval.ownCPUShare)) {
    const series = [
      { name: "server", color: "c", isFilled: true, points: points((interval) => interval.serverCPUShare) },
      { name: "wsbench", color: "b", points: points((interval) => interval.ownCPUShare) },
    ];
    if (intervals.some((interval) => interval.stolenShare > 0)) {
      series.push({ name: "stolen (of all)", color: "a", points: points((interval) => interval.stolenShare) });
    }
    const about = "100 % is one processor.";
    const drawn = series.filter((each) => each.points.some((point) => point[1] != null));
    chart({ ...common, title: "CPU", about, axis: axisPercent, text: percent, series: drawn });
  }
  if (has((interval) => interval.serverResidentBytes)) {
    chart({
      ...common, title: "Server memory", about: "Resident.", axis: axisBytes, text: bytes, isBinary: true,
      series: [
        { name: "resident", color: "d", isFilled: true, points: known((interval) => interval.serverResidentBytes) }],
    });
  }
  const counts = intervals.map((interval) => interval.connections);
  const varies = Math.min(...counts) !== Math.max(...counts);
  if (varies || has((interval) => interval.serverDescriptors)) {
    chart({
      ...common, title: "Connections", axis: axisCount, text: count,
      series: [
        { name: "connections", color: "a", points: points((interval) => interval.connections) },
        { name: "descriptors of the server", color: "c", points: known((interval) => interval.serverDescriptors) },
      ].filter((each) => each.points.some((point) => point[1] != null)),
    });
  }
  if (has((interval) => interval.errors || null)) {
    chart({
      ...common, title: "Faults", axis: axisCount, text: count,
      series: [{ name: "in each interval", color: "c", isFilled: true, points: points((interval) => interval.errors) }],
    });
  }
}

function steps() {
  if (!result.steps.length) return;
  const rates = result.steps.map((step) => step.deliveredPerSecond);
  const xRange = [0, Math.max(...rates) * 1.04];
  chart({
    title: "Latency by rate", isWide: true, canSwitch: true, isLog: true, xRange, axis: axisTime, text: time,
    about: "Each dot is a rate that was tried; hollow ones broke the bound.",
    xText: (at) => `${count(at)} deliveries/s`,
    xTicks: (room) => linearTicks(...xRange, Math.min(room, 8)).ticks.map((tick) => [tick, axisCount(tick) + "/s"]),
    series: [{
      name: "latency under the bound's percentile", color: "a", isDotted: true,
      points: result.steps.map((step) => [step.deliveredPerSecond, step.latency, step.isKept, step.reason])
        .sort((first, second) => first[0] - second[0]),
    }],
  });
}

// Tables

function table(title, kind, head, rows, place = "tables") {
  if (!rows.length) return;
  const cells = (row) => row.map((cell, index) => {
    const isHead = index === 0;
    return make(isHead ? "th" : "td", isHead ? { scope: "row" } : {}, cell ?? "–");
  });
  $(place).append(make(
    "article", { class: "card" }, make("h2", {}, title),
    make("div", { class: "scroll" }, make(
      "table", { class: kind },
      head ? make("thead", {}, make("tr", {}, ...head.map((text) => make("th", { scope: "col" }, text)))) : null,
      make("tbody", {}, ...rows.map((row) => make("tr", {}, ...cells(row))))))));
}

function latencyTable() {
  const rows = [["intended", intended], ["service", service], ["connect", result.connects]]
    .concat(result.timings.map((timing) => [timing.name, timing.latency]));
  const keys = ["mean", "p50", "p90", "p99", "p999", "p9999", "max"];
  table(
    "Times", "numbers", ["", "mean", "p50", "p90", "p99", "p99.9", "p99.99", "max", "count"],
    rows.filter(([, latency]) => latency)
      .map(([name, latency]) => [name, ...keys.map((key) => time(latency[key])), count(latency.count)]), "times");
}

function checkTable() {
  const mark = (isGood, text) => make("span", { class: isGood ? "ok" : "no" }, `${isGood ? "✓" : "✕"} ${text}`);
  const rows = data.faults.map((fault) => [fault.name, mark(fault.count === 0, count(fault.count))]);
  rows.push(["late", count(result.checks.late)]);
  if (result.expected) {
    rows.unshift(["delivered of expected", `${count(result.delivered)} of ${count(result.expected)}`]);
  }
  if (result.own) {
    rows.push(["busiest loop of wsbench", percent(result.own.busyShare)]);
    rows.push(["messages sent of intended", percent(result.own.sentRatio)]);
  }
  table("Checks of every subscriber's sequence", "pairs", null, rows);
}

function detailTables() {
  table("This scenario", "pairs", null, result.details.map((detail) => [detail.name, measured(detail)]));
  table(
    "Parts", "numbers", ["", "delivered /s", "p50", "p99", "faults"],
    result.parts.map((part, index) => [
      part.scenario.label || part.scenario.name, count(part.deliveredPerSecond),
      part.latency.intended ? time(part.latency.intended.p50) : null,
      part.latency.intended ? time(part.latency.intended.p99) : null, count(data.partFaults[index]),
    ]));
  table(
    "Rates that were tried", "numbers", ["asked for", "delivered /s", "latency", "bound"],
    result.steps.map((step) => [
      `${count(step.perSecond)} /s`, count(step.deliveredPerSecond), time(step.latency),
      step.isKept ? "kept" : "broken",
    ]));
}

function environmentTable() {
  const here = result.environment;
  const server = here.server || {};
  const join = (...parts) => parts.filter((part) => part != null && part !== "").join(", ") || null;
  const quota = here.processorsQuota ? `${brief(here.processorsQuota)} allowed by the control group` : null;
  const usable = here.processorsUsable !== here.processorsOnline ? `${here.processorsUsable} usable` : null;
  const rows = [
    ["server", join([server.name, server.version].filter(Boolean).join(" ") || server.program, server.backend,
      server.workers ? plural(server.workers, "worker") : null)],
    ["URL", scenario.url],
    ["processor", join(here.processor, `${here.processorsOnline} online`, usable, quota)],
    ["memory", here.memoryBytes ? bytes(here.memoryBytes) : null],
    ["system", join(here.system, here.kernel ? `kernel ${here.kernel}` : null, here.architecture)],
    ["TCP", join(here.congestionControl, here.ephemeralPorts ? `ports ${here.ephemeralPorts}` : null,
      here.listenBacklogMax ? `backlog ${count(here.listenBacklogMax)}` : null)],
    ["descriptors", here.descriptorsSoft ? `${count(here.descriptorsSoft)} of ${count(here.descriptorsHard)}` : null],
    ["load before", here.loadBefore != null ? brief(here.loadBefore) : null],
    ["threads, seed", join(plural(scenario.threads, "thread"), scenario.seed != null ? `seed ${scenario.seed}` : null)],
    ["measured", `${trim(result.seconds)} s after ${trim(scenario.warmupSeconds)} s of warming up`],
    ["commit", here.commit],
    ["command", make("code", {}, here.command.join(" "))],
  ];
  table("Environment", "pairs", null, rows.filter(([, value]) => value != null));
}

// Light and dark follow the system until someone chooses.
function theme() {
  const system = matchMedia("(prefers-color-scheme: dark)");
  let chosen = null;
  const apply = () => { document.documentElement.dataset.theme = chosen ?? (system.matches ? "dark" : "light"); };
  system.addEventListener("change", apply);
  $("theme").addEventListener("click", () => {
    chosen = document.documentElement.dataset.theme === "dark" ? "light" : "dark";
    apply();
  });
  apply();
}

theme();
header();
tiles();
percentiles();
steps();
overTime();
const last = $("charts").lastElementChild;
const narrow = [...$("charts").children].filter((card) => !card.classList.contains("wide"));
if (last && narrow.length % 2 === 1) last.classList.add("wide");
latencyTable();
checkTable();
detailTables();
environmentTable();
$("footer").textContent = `Made by wsbench. Format ${result.schema}.`;
for (const draw of charts) draw();
