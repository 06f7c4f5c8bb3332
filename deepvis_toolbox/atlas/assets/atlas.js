// The atlas in the browser: search, sorting, the panel of a unit, keys. Data come as script files: pages open from a disk.
"use strict";

const root = document.body.dataset.root;
const index = window.atlasIndex || { layers: [], classes: [] };
const layers = new Map(index.layers.map((layer) => [layer.name, layer]));

function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  made.append(...children);
  return made;
}

function hrefOf(layer, unit) {
  const page = layers.get(layer);
  return page ? `${root}${page.href}${unit === undefined ? "" : `#${unit}`}` : null;
}

function linkTo(layer, unit, text) {
  const href = hrefOf(layer, unit);
  return href ? element("a", { href }, text) : document.createTextNode(text);
}

// -- search -----------------------------------------------------------------------------------------------------------

const MOST_FOUND = 10;

function found(text) {
  const wanted = text.trim().toLowerCase();
  if (!wanted) return [];
  const address = /^(.+):(\d+)$/.exec(text.trim());
  if (address && layers.has(address[1]) && Number(address[2]) < layers.get(address[1]).units) {
    return [[`${address[1]}:${address[2]}`, hrefOf(address[1], Number(address[2]))]];
  }
  const named = [
    ...index.layers.map((layer) => [layer.name, hrefOf(layer.name)]),
    ...index.classes.map(([label, layer, unit]) => [`${label} · ${layer}:${unit}`, hrefOf(layer, unit)]),
  ];
  const rank = (name) => {
    const at = name.toLowerCase().indexOf(wanted);
    return at < 0 ? Infinity : at === 0 ? 0 : /\W/.test(name[at - 1]) ? 1 : 2;
  };
  return named
    .map((entry) => [rank(entry[0]), entry])
    .filter(([order]) => order < Infinity)
    .sort((one, other) => one[0] - other[0])
    .slice(0, MOST_FOUND)
    .map(([, entry]) => entry);
}

const entry = document.getElementById("search");
const list = document.getElementById("found");
let chosen = 0;

function showFound() {
  const names = found(entry.value);
  chosen = Math.min(chosen, Math.max(0, names.length - 1));
  list.replaceChildren(...names.map(([name, href], number) =>
    element("li", number === chosen ? { class: "chosen" } : {}, element("a", { href }, name))));
  list.hidden = !names.length;
}

entry.addEventListener("input", () => { chosen = 0; showFound(); });
entry.addEventListener("keydown", (event) => {
  const move = { ArrowDown: 1, ArrowUp: -1 }[event.key];
  if (move) { chosen = Math.max(0, chosen + move); showFound(); event.preventDefault(); }
  if (event.key === "Escape") { entry.value = ""; showFound(); entry.blur(); }
});
entry.form.addEventListener("submit", (event) => {
  event.preventDefault();
  const link = list.children[chosen]?.firstChild;
  if (link) { list.hidden = true; location.href = link.href; }
});

// -- a deep link: index.html#block5.add:17 ------------------------------------------------------------------------------

const deep = /^#(.+):(\d+)$/.exec(decodeURIComponent(location.hash));
if (deep && hrefOf(deep[1], deep[2])) location.replace(hrefOf(deep[1], deep[2]));

// -- a layer's page -----------------------------------------------------------------------------------------------------

const sheet = document.getElementById("units");
const panel = document.getElementById("unit");

function tiles() { return [...sheet.children].filter((tile) => tile.offsetParent !== null); }

function sortBy(key) {
  const value = (tile) => {
    const text = tile.dataset[key];
    return key === "label" ? text ?? "\uffff" : text === undefined ? -Infinity : Number(text);
  };
  const order = [...sheet.children].map((tile) => [value(tile), tile]);
  order.sort(([one, first], [other, second]) => {
    const rising = key === "unit" || key === "label";
    const less = one < other ? -1 : one > other ? 1 : 0;
    return (rising ? less : -less) || first.dataset.unit - second.dataset.unit;
  });
  sheet.replaceChildren(...order.map(([, tile]) => tile));
}

function rowsOf(title, rows) {
  const table = element("table", { class: "rows" });
  for (const [name, number, sign] of rows) {
    table.append(element("tr", {}, element("td", {}, name), element("td", sign === undefined ? {} : { class: sign < 0 ? "down" : "up" }, String(number))));
  }
  return [element("h2", {}, title), table];
}

function histogramOf(histogram) {
  const NS = "http://www.w3.org/2000/svg", svg = document.createElementNS(NS, "svg");
  const most = Math.log1p(Math.max(...histogram.counts)), width = 100 / histogram.counts.length;
  svg.setAttribute("class", "histogram");
  svg.setAttribute("viewBox", "0 0 100 40");
  svg.setAttribute("preserveAspectRatio", "none");
  svg.setAttribute("role", "img");
  svg.setAttribute("aria-label", `the largest values over the data set, from ${histogram.edges[0]} to ${histogram.edges.at(-1)}`);
  histogram.counts.forEach((count, place) => {
    const bar = document.createElementNS(NS, "rect"), height = 40 * Math.log1p(count) / most;
    for (const [key, value] of Object.entries({ x: place * width, y: 40 - height, width: width * 0.9, height })) bar.setAttribute(key, value);
    svg.append(bar);
  });
  return [element("h2", {}, "Largest value on each picture"), svg,
    element("p", { class: "quiet" }, `${histogram.edges[0]} to ${histogram.edges.at(-1)}, two bars an octave; heights go with the logarithm of the count`)];
}

function partnerOf(unit, data) {
  const { name, why_none: why } = data.other, partner = unit.other;
  if (!partner) return [element("h2", {}, `In ${name}`), element("p", { class: "quiet" }, `nothing stands for it: ${why}`)];
  const called = `${data.name}:${partner.unit}${partner.label ? ` · ${partner.label}` : ""}`;
  const how = partner.correlation === undefined ? "the same number" : `correlation ${partner.correlation.toFixed(2)}`;
  const pictures = [["preferred", "preferred images"], ["top", "top images"]].filter(([kind]) => partner[kind]).map(([kind, title]) =>
    element("figure", {}, element("figcaption", {}, title), element("img", { src: `${root}${partner[kind]}`, alt: `${title} of ${called} in ${name}`, loading: "lazy" })));
  return [...rowsOf(`Matched in ${name}`, [[called, how]]), ...(pictures.length ? [element("div", { class: "partner" }, ...pictures)] : [])];
}

function showUnit() {
  const data = window.atlasLayer, number = /^#(\d+)$/.exec(location.hash)?.[1];
  for (const tile of sheet.children) tile.removeAttribute("aria-current");
  const unit = number === undefined ? undefined : data.units[number];
  panel.hidden = !unit;
  if (!unit) return;
  const tile = document.getElementById(`tile-${number}`), address = `${data.name}:${number}`;
  tile.setAttribute("aria-current", "true");
  if (tile.offsetParent === null) document.getElementById("all")?.click();
  tile.scrollIntoView({ block: "nearest" });
  const parts = [element("h2", {}, unit.label ? `${address} · ${unit.label}` : address)];
  for (const [kind, title] of [["preferred", "Preferred images"], ["top", "Top images"], ["deconv", "What of them it sees"]]) {
    if (unit[kind]) {
      parts.push(element("h2", {}, title), element("img", { src: `${root}${unit[kind]}`, alt: `${title.toLowerCase()} of ${unit.label || address}`, loading: "lazy" }));
    }
  }
  if (data.other) parts.push(...partnerOf(unit, data));
  if (unit.reached) parts.push(...rowsOf(`The preferred images' values${unit.reached.some(([, , share]) => share !== null) ? " (over the largest of the data set)" : ""}`,
    unit.reached.map(([seed, value, share]) => [`start ${seed}`, share === null ? value : `${value} (${Math.round(100 * share)} %)`])));
  const trust = (unit.judged ?? []).map(([judge, rank, share, said]) => [`${judge}: ${rank === 1 ? "this class" : `${said}; this class at rank ${rank}`}`, `${Math.round(100 * share)} %`]);
  if (unit.over_natural !== undefined) trust.push(["value over the best photograph's", `${unit.over_natural.toFixed(2)}×`]);
  if (unit.path !== undefined) trust.push(["path similarity (1: as its top photographs, 0: as random ones)", unit.path.toFixed(2)]);
  if (unit.look) trust.push(["colour and contrast beside photographs'", unit.look]);
  if (trust.length) parts.push(...rowsOf("How far to trust the preferred image", trust));
  if (unit.top_labels) parts.push(...rowsOf("The top images' values and labels", unit.top_labels.map(([value, label]) => [label || "no label", value])));
  if (unit.classes?.length) parts.push(...rowsOf(unit.classes[0][2] === null ? "Stands for (share of its top images)" : "Stands for (AUPRC on pictures held out)",
    unit.classes.map(([label, score, chance]) => [label, `${Math.round(100 * score)} %${chance === null ? "" : ` (chance ${Number((100 * chance).toPrecision(2))} %)`}`])));
  if (unit.silent !== undefined) parts.push(...rowsOf("Over the data set", [["mean of the largest values", unit.mean], ["pictures without any response", `${(100 * unit.silent).toFixed(1)} %`]]));
  if (unit.histogram?.counts.length) parts.push(...histogramOf(unit.histogram));
  if (unit.fed) parts.push(...rowsOf("Fed by (sum of its weights)", unit.fed.map(([layer, other, sum]) => [linkTo(layer, other, `${layer}:${other}`), sum, sum])));
  else if (data.without_weights) parts.push(element("p", { class: "quiet" }, data.without_weights));
  if (unit.feeds) parts.push(...rowsOf("Feeds", unit.feeds.map(([layer, other, label, sum]) => [linkTo(layer, other, label || `${layer}:${other}`), sum, sum])));
  if (unit.with) parts.push(...rowsOf("Fires with (correlation)", unit.with.map(([other, value]) => [linkTo(data.name, other, `${data.name}:${other}`), value])));
  parts.push(element("h2", {}, "In the live window"), element("code", {}, `${data.command} --goto ${address}`));
  panel.replaceChildren(...parts);
  panel.scrollTop = 0;
}

function step(columns, rows) {
  const shown = tiles(), now = shown.findIndex((tile) => tile.hasAttribute("aria-current"));
  const wide = Math.max(1, shown.filter((tile) => tile.offsetTop === shown[0].offsetTop).length);
  const next = now < 0 ? 0 : now + columns + rows * wide;
  if (shown[next]) location.replace(`#${shown[next].dataset.unit}`);
}

const STEPS = { ArrowLeft: [-1, 0], j: [-1, 0], ArrowRight: [1, 0], l: [1, 0], ArrowUp: [0, -1], i: [0, -1], ArrowDown: [0, 1], k: [0, 1] };

document.addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey || /^(INPUT|SELECT)$/.test(event.target.tagName)) return;
  if (event.key === "/") { entry.focus(); event.preventDefault(); return; }
  if (!sheet) return;
  if (STEPS[event.key]) { step(...STEPS[event.key]); event.preventDefault(); }
  if (event.key === "Escape") { history.replaceState(null, "", location.pathname); showUnit(); }
  const other = { u: "prev", o: "next" }[event.key];
  if (other) document.querySelector(`a[rel=${other}]`)?.click();
});

if (sheet) {
  document.getElementById("sort").addEventListener("change", (event) => sortBy(event.target.value));
  document.getElementById("all")?.addEventListener("change", (event) => sheet.classList.toggle("pictured-only", !event.target.checked));
  window.addEventListener("hashchange", showUnit);
  showUnit();
}

// -- the quiz -------------------------------------------------------------------------------------------------------------

const quiz = document.getElementById("quiz");

function drawn(count, from) {
  const left = [...from], taken = [];
  while (taken.length < count && left.length) taken.push(left.splice(Math.floor(Math.random() * left.length), 1)[0]);
  return taken;
}

function score() {
  try { return JSON.parse(localStorage.getItem(window.atlasQuiz.key)) || { right: 0, asked: 0 }; } catch { return { right: 0, asked: 0 }; }
}

function keep(result) {
  try { localStorage.setItem(window.atlasQuiz.key, JSON.stringify(result)); } catch { /* a page from a disk may keep nothing */ }
  const share = result.asked ? `, ${Math.round(100 * result.right / result.asked)} %` : "";
  document.getElementById("score").textContent = `${result.right} of ${result.asked} right${share} (chance: 25 %)`;
}

function ask(result) {
  keep(result);
  const units = window.atlasQuiz.units;
  if (units.length < 4) { quiz.replaceChildren(element("p", {}, "There are too few named units with pictures.")); return; }
  const four = drawn(4, units), wanted = four[Math.floor(Math.random() * 4)];
  const choices = element("div", { class: "choices" });
  for (const one of four) {
    const button = element("button", { type: "button" }, one.label);
    button.addEventListener("click", () => {
      for (const other of choices.children) other.disabled = true;
      button.classList.add(one === wanted ? "right" : "wrong");
      choices.children[four.indexOf(wanted)].classList.add("right");
      const now = { right: result.right + (one === wanted), asked: result.asked + 1 };
      keep(now);
      const next = element("button", { type: "button" }, "Next");
      next.addEventListener("click", () => ask(now));
      quiz.append(element("p", {}, linkTo(wanted.layer, wanted.unit, `${wanted.layer}:${wanted.unit}`), " ", next));
      next.focus();
    });
    choices.append(button);
  }
  quiz.replaceChildren(element("img", { src: wanted.picture, alt: "nine preferred images of a unit whose name is asked for" }), choices);
}

if (quiz) {
  document.getElementById("forget").addEventListener("click", () => ask({ right: 0, asked: 0 }));
  ask(score());
}
