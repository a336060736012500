"use strict";
(() => {
const data = JSON.parse(document.getElementById("data").textContent);
const $ = id => document.getElementById(id), all = query => [...document.querySelectorAll(query)];
const svg = $("picture"), stage = document.querySelector(".stage"), world = $("world"), panel = $("panel"), NS = "http://www.w3.org/2000/svg";
const GAP = 10, COLUMN = 40, KINDS = [["table", "Tables"], ["file", "Files"], ["model", "Models"], ["report", "Reports"]];
const hidden = new Set(data.hide);
let view, nodes, into, from, chosen = null, only = null, at = {x: 0, y: 0, k: 1}, marks = new Set();
all("[hidden]").forEach(e => { if (e !== panel) e.hidden = false; });

function make(name, attributes, parent, text) {
  const e = document.createElementNS(NS, name);
  for (const key in attributes) e.setAttribute(key, attributes[key]);
  if (text !== undefined) e.textContent = text;
  if (parent) parent.append(e);
  return e;
}
function el(name, text, parent, kind) {
  const e = document.createElement(name);
  if (text !== undefined) e.textContent = text;
  if (kind) e.className = kind;
  if (parent) parent.append(e);
  return e;
}
function clip(text, most) { return text.length > most ? text.slice(0, most - 1) + "…" : text; }

// --- which boxes are shown, and where -----------------------------------------------------------
let plan; // with reports or without: both were laid out
function use(name, keep) {
  view = name; chosen = null; if (!keep) only = null;
  plan = data[name === "detail" && !hidden.has("report") ? "full" : name];
  nodes = new Map(plan.nodes.map(n => [n.id, {...n}]));
  into = new Map(); from = new Map();
  for (const id of nodes.keys()) { into.set(id, []); from.set(id, []); }
  for (const [a, b] of plan.edges) { into.get(b).push(a); from.get(a).push(b); }
  all("[data-view]").forEach(b => b.setAttribute("aria-pressed", b.dataset.view === name));
  document.querySelector(".kinds").hidden = name === "jobs";
  $("names").replaceChildren(...[...new Set(plan.nodes.map(n => n.name || n.label))].slice(0, 2000)
    .map(text => { const o = el("option"); o.value = text; return o; }));
}
function reach(start, edges) {
  const seen = new Set(start); let front = [...start];
  while (front.length) {
    const next = [];
    for (const id of front) for (const other of edges.get(id)) if (!seen.has(other)) { seen.add(other); next.push(other); }
    front = next;
  }
  return seen;
}
function shown() {
  const found = new Set();
  for (const [id, n] of nodes) if ((!only || only.has(id)) && !hidden.has(n.kind)) found.add(id);
  // A step none of whose results is shown tells nothing.
  for (const id of [...found]) if (nodes.get(id).kind === "job" && !from.get(id).some(o => found.has(o))) found.delete(id);
  return found;
}
function place(seen) {
  if (seen.size === nodes.size) {
    for (const n of plan.nodes) Object.assign(nodes.get(n.id), {px: n.x, py: n.y});
    return {w: plan.width, h: plan.height, whole: true};
  }
  const layers = new Map();
  for (const id of seen) { const n = nodes.get(id); (layers.get(n.layer) || layers.set(n.layer, []).get(n.layer)).push(n); }
  const order = [...layers.keys()].sort((a, b) => a - b);
  let x = 0, tall = 0;
  for (const layer of order) {
    const row = layers.get(layer).sort((a, b) => a.y - b.y), wide = Math.max(...row.map(n => n.w));
    let y = 0;
    for (const n of row) { n.px = x + wide / 2; n.py = y + n.h / 2; y += n.h + GAP; }
    for (const n of row) n.py -= (y - GAP) / 2;
    tall = Math.max(tall, y - GAP); x += wide + COLUMN;
  }
  for (let turn = 0; turn < 6; turn++) for (const layer of order) settle(layers.get(layer), seen);
  let top = Infinity, low = -Infinity;
  for (const id of seen) { const n = nodes.get(id); top = Math.min(top, n.py - n.h / 2); low = Math.max(low, n.py + n.h / 2); }
  for (const id of seen) nodes.get(id).py -= top;
  return {w: x - COLUMN, h: low - top, whole: false};
}
function settle(row, seen) { // near the neighbours, in order, without overlap
  const off = []; let sum = 0;
  row.forEach((n, i) => { if (i) sum += (row[i - 1].h + n.h) / 2 + GAP; off.push(sum); });
  const blocks = [];
  row.forEach((n, i) => {
    const near = [...into.get(n.id), ...from.get(n.id)].filter(o => seen.has(o)).map(o => nodes.get(o).py);
    let mean = (near.length ? near.reduce((a, b) => a + b) / near.length : n.py) - off[i], count = 1;
    while (blocks.length && blocks[blocks.length - 1][0] > mean) {
      const [m, c] = blocks.pop(); mean = (mean * count + m * c) / (count + c); count += c;
    }
    blocks.push([mean, count]);
  });
  let i = 0;
  for (const [mean, count] of blocks) for (let k = 0; k < count; k++, i++) row[i].py = mean + off[i];
}

// --- drawing -------------------------------------------------------------------------------------
let extent = {w: 1, h: 1};
function draw(refit) {
  const seen = shown();
  extent = place(seen);
  const lines = $("lines"), boxes = $("boxes");
  lines.replaceChildren(); boxes.replaceChildren();
  plan.edges.forEach(([a, b], i) => {
    if (seen.has(a) && seen.has(b)) {
      const e = make("path", {class: "line", d: path(nodes.get(a), nodes.get(b), extent.whole ? plan.bends[i] : [])}, lines);
      e.dataset.a = a; e.dataset.b = b;
    }
  });
  for (const id of seen) box(nodes.get(id), boxes);
  const count = [...seen].filter(id => nodes.get(id).kind !== "job").length;
  const total = data[view === "jobs" ? "jobs" : "full"].nodes.filter(n => n.kind !== "job").length, what = view === "jobs" ? "jobs" : "datasets";
  $("state").textContent = !total ? "No run has completed yet: run a notebook, then draw again."
    : !count ? "Everything is hidden: switch a kind on." : count < total ? `${count} of ${total} ${what}` : `${total} ${what}`;
  mark();
  if (refit) fit();
}
function path(a, b, bends) {
  const points = [[a.px + a.w / 2, a.py], ...bends, [b.px - b.w / 2, b.py]];
  let d = `M${points[0]}`;
  for (let i = 1; i < points.length; i++) {
    const [x, y] = points[i - 1], [u, v] = points[i], m = Math.max(16, (u - x) / 2);
    d += `C${x + m},${y} ${u - m},${v} ${u},${v}`;
  }
  return d;
}
function box(n, parent) {
  const g = make("g", {class: `box ${n.kind}`, transform: `translate(${n.px - n.w / 2},${n.py - n.h / 2})`}, parent);
  g.dataset.id = n.id;
  make("title", {}, g, [n.name || n.label, n.note, n.job && `by ${n.job}`].filter(Boolean).join("\n"));
  if (n.kind === "job") {
    make("circle", {class: "reach", r: 14, cx: n.w / 2, cy: n.h / 2}, g);
    make("circle", {class: "body", r: n.w / 2, cx: n.w / 2, cy: n.h / 2}, g);
    return;
  }
  make("rect", {class: "body", width: n.w, height: n.h, rx: 4}, g);
  make("path", {class: "strip", d: `M4,0H5V${n.h}H4A4,4 0 0 1 0,${n.h - 4}V4A4,4 0 0 1 4,0`}, g);
  make("text", {x: 14, y: n.h < 40 ? n.h / 2 + 5 : 19}, g, clip(n.label, 23));
  if (n.h >= 40) make("text", {class: "note", x: 14, y: 36}, g, clip(n.note, 28));
}
function mark() {
  world.classList.toggle("chosen", chosen !== null);
  const up = chosen === null ? new Set() : reach([chosen], into), down = chosen === null ? new Set() : reach([chosen], from);
  all(".line").forEach(e => {
    const a = +e.dataset.a, b = +e.dataset.b;
    e.classList.toggle("up", up.has(a) && up.has(b)); e.classList.toggle("down", down.has(a) && down.has(b));
  });
  all("g.box").forEach(e => {
    const id = +e.dataset.id;
    e.classList.toggle("near", up.has(id) || down.has(id)); e.classList.toggle("here", id === chosen);
    e.classList.toggle("found", marks.has(id));
  });
}
function apply() { world.setAttribute("transform", `translate(${at.x},${at.y}) scale(${at.k})`); }
function room() {
  const r = svg.getBoundingClientRect(), wide = innerWidth > 600;
  return {w: r.width - (panel.hidden || !wide ? 0 : 320), h: r.height - (panel.hidden || wide ? 0 : panel.offsetHeight)};
}
function fit(whole) { // all of it; at first no smaller than can be read, the rest is a drag away
  const pad = 24, foot = 24, wide = innerWidth > 600, across = (svg.clientWidth - 2 * pad) / extent.w;
  const least = whole === true ? .05 : wide ? .68 : .6;
  const tall = extent.h * Math.min(1.25, Math.max(across, least)) + 2 * pad + foot;
  stage.style.height = `${Math.round(Math.max(wide ? 420 : 320, Math.min(innerHeight * (wide ? .74 : .64), tall)))}px`;
  const r = room(), k = Math.min((r.w - 2 * pad) / extent.w, (r.h - 2 * pad - foot) / extent.h, 1.25);
  at.k = Math.max(k, least);
  at.x = extent.w * at.k <= r.w - 2 * pad + 1 ? (r.w - extent.w * at.k) / 2 : pad;
  at.y = (r.h - foot - extent.h * at.k) / 2; // the foot says how many are shown
  if (chosen !== null && at.k > k) { const n = nodes.get(chosen); at.x = r.w / 2 - n.px * at.k; at.y = r.h / 2 - n.py * at.k; }
  apply();
}
function zoom(by, cx, cy) {
  const r = room(), k = Math.min(3, Math.max(.05, at.k * by));
  cx = cx ?? r.w / 2; cy = cy ?? r.h / 2;
  at.x = cx - (cx - at.x) * k / at.k; at.y = cy - (cy - at.y) * k / at.k; at.k = k; apply();
}
function centre(id) {
  const n = nodes.get(id), r = room();
  at.k = Math.max(at.k, .8); at.x = r.w / 2 - n.px * at.k; at.y = r.h / 2 - n.py * at.k; apply();
}

// --- choosing ------------------------------------------------------------------------------------
function choose(id, go) {
  chosen = id;
  if (id === null) { panel.hidden = true; mark(); return; }
  if (!shown().has(id)) { hidden.clear(); kinds(); use("detail"); chosen = id; draw(true); }
  describe(nodes.get(id)); mark();
  if (go) centre(id);
}
function neighbours(id, edges) { // steps are passed over
  const found = [];
  for (const other of edges.get(id)) if (nodes.get(other).kind === "job") found.push(...edges.get(other)); else found.push(other);
  return [...new Set(found)];
}
function describe(n) {
  panel.replaceChildren(); panel.hidden = false;
  const close = el("button", "×", panel, "close"); close.setAttribute("aria-label", "Close"); close.onclick = () => back();
  el("h3", n.name || n.label, panel);
  el("p", n.kind === "job" ? "what was made together from the same" : n.note, panel, "meta");
  if (n.job) el("p", `Made by ${n.job} at ${n.at}`, panel);
  if (n.run) el("p", `run ${n.run}`, panel, "meta");
  if (n.digest) el("p", `digest ${n.digest}`, panel, "meta");
  const acts = el("div", undefined, panel, "acts");
  const narrow = el("button", only ? "Show all" : "Only these", acts);
  narrow.onclick = () => {
    only = only ? null : new Set([...reach([n.id], into), ...reach([n.id], from)]);
    draw(false); describe(n); fit();
  };
  if (view === "jobs" && n.makes) el("button", "Its datasets", acts).onclick = () => open(n.label);
  list("Made from", "up", neighbours(n.id, into)); list("Feeds", "down", neighbours(n.id, from));
  if (n.makes) { el("h4", "Makes", panel); const ul = el("ul", undefined, panel); n.makes.forEach(m => el("li", m, ul)); }
}
function list(title, kind, ids) {
  el("h4", `${title} (${ids.length})`, panel, kind);
  const ul = el("ul", undefined, panel);
  if (!ids.length) el("li", "nothing on record", ul, "meta");
  ids.sort((a, b) => nodes.get(a).label.localeCompare(nodes.get(b).label))
    .forEach(id => { el("button", nodes.get(id).label, el("li", undefined, ul)).onclick = () => choose(id, true); });
}
function open(job) { // the datasets around one job
  use("detail");
  const steps = [...nodes.values()].filter(n => n.label === job && n.kind === "job" || n.job === job).map(n => n.id);
  only = new Set(steps.flatMap(id => [id, ...into.get(id), ...(nodes.get(id).kind === "job" ? from.get(id) : [])]));
  panel.hidden = true; draw(true);
}
function back() {
  if (chosen !== null) choose(null); else if (only) { only = null; draw(true); }
}
function find(text) {
  const word = text.trim().toLowerCase();
  marks = new Set();
  if (word) for (const n of nodes.values()) if ((n.name || n.label).toLowerCase().includes(word)) marks.add(n.id);
  mark();
  if (word) $("state").textContent = marks.size ? `${marks.size} found: Enter goes to the first` : `nothing is called “${text.trim()}”: try a part of the name`;
}
function kinds() {
  const group = document.querySelector(".kinds");
  group.replaceChildren();
  for (const [kind, title] of KINDS) {
    const count = data.full.nodes.filter(n => n.kind === kind).length;
    if (!count) continue;
    const b = el("button", title, group); b.type = "button";
    b.setAttribute("aria-pressed", !hidden.has(kind));
    b.onclick = () => { hidden.has(kind) ? hidden.delete(kind) : hidden.add(kind); kinds();
      if (kind === "report") { panel.hidden = true; use("detail"); }
      draw(true);
    };
  }
}

// --- hands and keys ------------------------------------------------------------------------------
const touches = new Map();
let moved = 0;
svg.addEventListener("pointerdown", e => { touches.set(e.pointerId, [e.clientX, e.clientY]); moved = 0; });
svg.addEventListener("pointermove", e => {
  if (!touches.has(e.pointerId)) return;
  const before = [...touches.values()].map(p => [...p]), [x, y] = touches.get(e.pointerId);
  touches.set(e.pointerId, [e.clientX, e.clientY]);
  moved += Math.abs(e.clientX - x) + Math.abs(e.clientY - y);
  if (moved > 4 && !svg.hasPointerCapture(e.pointerId)) { svg.setPointerCapture(e.pointerId); svg.classList.add("moving"); }
  if (touches.size === 1) { at.x += e.clientX - x; at.y += e.clientY - y; apply(); }
  else if (touches.size === 2) {
    const after = [...touches.values()], far = p => Math.hypot(p[0][0] - p[1][0], p[0][1] - p[1][1]), r = svg.getBoundingClientRect();
    zoom(far(after) / Math.max(1, far(before)), (after[0][0] + after[1][0]) / 2 - r.left, (after[0][1] + after[1][1]) / 2 - r.top);
  }
});
for (const kind of ["pointerup", "pointercancel"]) svg.addEventListener(kind, e => { touches.delete(e.pointerId); svg.classList.remove("moving"); });
svg.addEventListener("click", e => {
  if (moved > 4) return;
  const g = e.target.closest("g.box");
  choose(g ? +g.dataset.id : null);
});
svg.addEventListener("wheel", e => {
  e.preventDefault();
  const r = svg.getBoundingClientRect();
  zoom(Math.exp(-e.deltaY * (e.deltaMode ? .05 : .0015)), e.clientX - r.left, e.clientY - r.top);
}, {passive: false});
$("in").onclick = () => zoom(1.3); $("out").onclick = () => zoom(1 / 1.3); $("fit").onclick = () => fit(true);
all("[data-view]").forEach(b => { b.onclick = () => { use(b.dataset.view); panel.hidden = true; draw(true); }; });
$("find").addEventListener("input", e => find(e.target.value));
$("find").addEventListener("keydown", e => { if (e.key === "Enter" && marks.size) choose([...marks][0], true); });
all("a[data-node]").forEach(a => a.addEventListener("click", () => {
  if (view !== "detail") { use("detail"); draw(true); }
  only = null;
  choose(+a.dataset.node, true);
}));
addEventListener("keydown", e => {
  if (e.key === "Escape") { $("find").value = ""; find(""); back(); return; }
  if (e.target.closest("input")) return;
  if (e.key === "/") { e.preventDefault(); $("find").focus(); }
  else if (e.key === "+") zoom(1.3); else if (e.key === "-") zoom(1 / 1.3); else if (e.key === "0") fit(true);
});
addEventListener("resize", () => fit());
kinds(); use(data.start);
if (data.open.length) {
  only = new Set([...reach(data.open, into), ...reach(data.open, from)]);
  draw(false); if (data.open.length === 1) choose(data.open[0]); fit();
} else draw(true);
})();
