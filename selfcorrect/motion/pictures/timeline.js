// --- contacts as bars, slips and problems; frames are those of the file ---------------------------------------------
const line = scene.timeline, total = line.contacts.frames, fileFps = line.contacts.fps, LANES = line.lanes, after = scene.motions[scene.motions.length - 1];
document.head.append(Object.assign(document.createElement("style"), { textContent: `
  #tracks, #tracks img { max-height: 13vh; }
  #timeline { background: var(--bar); border-top: 1px solid var(--line); padding: .35rem .7rem .5rem; font-size: .85rem; }
  #timeline .tools { display: flex; flex-wrap: wrap; gap: .3rem .5rem; align-items: center; margin-bottom: .3rem; }
  #timeline .tools button { padding: .1rem .5rem; } #timeline button:disabled { opacity: .45; }
  #problem { flex: 1 1 16rem; color: var(--soft); } #problem.bad { color: var(--ink); }
  #lanes { position: relative; display: grid; grid-template-columns: 4.6rem 1fr; gap: 2px .4rem; align-items: center; }
  #lanes > span { color: var(--soft); font-size: .78rem; }
  .lane { position: relative; height: 1.5rem; background: var(--line); overflow: hidden; touch-action: none; cursor: crosshair; }
  #lanes.many .lane:not(.thin, .untouched) { height: 1.15rem; } #lanes.many .lane:not(.untouched) > .bar { line-height: 1.15rem; }
  .lane.thin { height: .55rem; cursor: pointer; } .lane.untouched { height: .95rem; }
  .bar { position: absolute; top: 0; bottom: 0; min-width: 3px; border-radius: 3px; color: #fff; font-size: .75rem; line-height: 1.5rem; text-align: center; white-space: nowrap; overflow: hidden; cursor: grab; background: #1b7a45; container-type: inline-size; }
  .bar span { pointer-events: none; } @container (max-width: 6.2rem) { .was { display: none; } } @container (max-width: 3.4rem) { .unit { display: none; } } @container (max-width: 1.4rem) { .bar span { display: none; } }
  .bar.slips { background: #b8371b; } .bar.other { background: #5b6270; } .untouched .bar { background: #6b4fa0; line-height: .95rem; }
  .bar:focus, .bar.chosen { outline: 2px solid var(--ink); outline-offset: -2px; }
  .bar::before, .bar::after { content: ""; position: absolute; top: 0; bottom: 0; width: 7px; cursor: ew-resize; background: rgba(255,255,255,.28); } .bar::before { left: 0; } .bar::after { right: 0; }
  .fault { position: absolute; top: 0; bottom: 0; min-width: 3px; background: #b8371b; opacity: .75; } .fault.here { opacity: 1; outline: 2px solid var(--ink); }
  #cursor { position: absolute; top: 0; bottom: 0; width: 2px; background: var(--ink); pointer-events: none; }
  #problems { max-height: 9rem; overflow: auto; margin: .3rem 0 0; padding: 0; list-style: none; columns: 2 22rem; }
  #problems li { cursor: pointer; padding: 0 .2rem; } #problems li:hover, #problems li:focus { text-decoration: underline; }
  #timeline summary { cursor: pointer; color: var(--soft); }` }));
find("controls").insertAdjacentHTML("afterend", `<section id="timeline" aria-label="Contacts and problems">
  <div class="tools">
    <button id="undo" title="Undo (Ctrl+Z)">↶ undo</button><button id="redo" title="Redo (Ctrl+Y)">↷ redo</button>
    <button id="add-left" title="Add a contact of the left foot here (l)">+ left</button><button id="add-right" title="Add a contact of the right foot here (r)">+ right</button>
    <button id="split" title="Split the chosen contact here (s)">split</button><button id="delete" title="Delete the chosen contact (Delete)">delete</button>
    <button id="previous" title="Previous problem (p)">◀</button><button id="next" title="Next problem, worst first (n)">next problem ▶</button>
    <span id="problem" aria-live="polite"></span>
    <button id="out" title="Show more (-)" aria-label="Zoom out">−</button><button id="in" title="Show less (+)" aria-label="Zoom in">+</button>
    <button id="export" title="Save the contacts as a file for selfcorrect correct --contacts">export contacts</button>
  </div>
  <div id="lanes"></div>
  <details id="all"><summary></summary><ol id="problems"></ol></details>
</section>`);
const touched = { undo: [], redo: [], shown: -1, chosen: null, drag: null };
const timeline = { contacts: line.contacts.contacts.map((contact, index) => ({ ...contact, slip: line.slips_mm[index] })), untouched: [], settings: {} };
const view = { first: 0, count: Math.min(total, Math.max(Math.round(20 * fileFps), 2)) };
const here = () => Math.min(Math.max(Math.round(now * line.rate), 0), total - 1);
const goTo = (frame) => { setPlaying(false); now = Math.min(Math.max(frame / line.rate, 0), frames - 1); find("frame").value = now; keepInView(frame); stale = true; };
const keepInView = (frame) => {
  if (frame >= view.first && frame < view.first + view.count) return;
  view.first = Math.min(Math.max(Math.round(frame - view.count * (playing ? 0.05 : 0.5)), 0), total - view.count);
  drawLanes();
};
/** Lists that are edited: contacts of each foot, and ranges to leave alone. */
const isUntouched = (item) => timeline.untouched.includes(item);
const ofLane = (name) => name === "untouched" ? timeline.untouched : timeline.contacts.filter((contact) => contact.part === name);
const snapshot = () => JSON.stringify(timeline);
const restore = (text) => { Object.assign(timeline, JSON.parse(text)); touched.chosen = null; };
/** Change contacts, ranges or settings in one step that can be undone. */
function edit(apply) {
  const before = snapshot();
  apply();
  if (snapshot() === before) return;
  touched.undo.push(before);
  touched.redo = [];
  finishEdit();
}
/** Colour feet in contact as the bars say. */
function colourFeet() {
  after.stands.fill(0);
  for (const { part, first_frame, last_frame } of timeline.contacts) {
    const foot = LANES.includes(part) ? Number(part.startsWith("right")) : -1;
    if (foot >= 0) for (let frame = Math.ceil(first_frame / line.rate); frame <= last_frame / line.rate && frame < after.frames; frame++) after.stands[frame] |= 1 << foot;
  }
  stale = true;
}
function finishEdit() {
  timeline.contacts.sort((a, b) => a.first_frame - b.first_frame || a.part.localeCompare(b.part));
  timeline.untouched.sort((a, b) => a.first_frame - b.first_frame);
  drawLanes();
  colourFeet();
  if (timeline.edited) timeline.edited();
  else tellEdited();
}
function step(from, to) {
  if (!touched[from].length) return;
  touched[to].push(snapshot());
  restore(touched[from].pop());
  finishEdit();
}
const tellEdited = () => { find("problem").textContent = "Contacts edited: export them, and pass the file to selfcorrect correct --contacts."; };
/** Frames in which an item of a lane may lie: between its neighbours. */
function room(name, item) {
  const others = ofLane(name).filter((other) => other !== item), at = item.first_frame;
  return [Math.max(0, ...others.filter((other) => other.last_frame < at).map((other) => other.last_frame + 1)),
    Math.min(total - 1, ...others.filter((other) => other.first_frame > at).map((other) => other.first_frame - 1))];
}
const isFree = (name, frame) => !ofLane(name).some((item) => item.first_frame <= frame && frame <= item.last_frame);
function add(name, first, last) {
  if (!isFree(name, first)) return;
  const item = { first_frame: first, last_frame: first };
  const [, high] = room(name, item);
  item.last_frame = Math.min(Math.max(last, first), high);
  edit(() => {
    if (name === "untouched") timeline.untouched.push(item);
    else timeline.contacts.push({ part: name, ...item, position_m: null, kind: "stands", slip: [null, null] });
    touched.chosen = [name, first];
  });
}
/** Add a contact of a foot, or of its heel and toes, in one step. */
function addSide(side) {
  const at = here(), last = at + Math.round(0.3 * fileFps), names = LANES.filter((name) => name.startsWith(side) && isFree(name, at));
  edit(() => {
    for (const name of names) {
      const item = { first_frame: at, last_frame: at };
      item.last_frame = Math.min(last, room(name, item)[1]);
      timeline.contacts.push({ part: name, ...item, position_m: null, kind: "stands", slip: [null, null] });
      touched.chosen = [name, at];
    }
  });
}
const chosenItem = () => touched.chosen && ofLane(touched.chosen[0]).find((item) => item.first_frame <= touched.chosen[1] && touched.chosen[1] <= item.last_frame);
const choose = (name, item) => {
  touched.chosen = [name, Math.round((item.first_frame + item.last_frame) / 2)];
  for (const bar of document.querySelectorAll(".bar")) bar.classList.toggle("chosen", bar.item === item);
  tellButtons();
};
const forgetSlip = (item) => { if (item.slip) item.slip = [null, null]; };
function remove() {
  const item = chosenItem();
  if (item) edit(() => { for (const key of ["contacts", "untouched"]) timeline[key] = timeline[key].filter((other) => other !== item); touched.chosen = null; });
}
function split() {
  const item = chosenItem(), at = here();
  if (!item || at <= item.first_frame || at >= item.last_frame) return;
  edit(() => {
    const later = { ...item, first_frame: at + 1 };
    item.last_frame = at - 1;
    [item, later].forEach(forgetSlip);
    (isUntouched(item) ? timeline.untouched : timeline.contacts).push(later);
    touched.chosen = [touched.chosen[0], later.first_frame];
  });
}
/** Move one end of the chosen item to the current frame. */
function setEnd(key) {
  const item = chosenItem(), [low, high] = item ? room(touched.chosen[0], item) : [0, 0], at = here();
  if (!item || at < low || at > high || (key === "first_frame" ? at > item.last_frame : at < item.first_frame)) return;
  edit(() => { item[key] = at; forgetSlip(item); touched.chosen[1] = at; });
}
const percent = (frame) => `${(100 * (frame - view.first)) / view.count}%`;
const number = (value) => value === null || value === undefined ? "?" : value.toFixed(0);
const describe = (name, item) => `${name === "untouched" ? "left alone" : name}, ${(item.first_frame / fileFps).toFixed(2)} to ${(item.last_frame / fileFps).toFixed(2)} s`;
/** Words of a bar by their class: narrow bars show only the slip that is left. */
function slipParts({ slip, kind }) {
  if (kind && kind !== "stands") return { unit: kind };
  if (!slip || (slip[0] === null && slip[1] === null)) return {};
  return { ...(slip[0] === null ? {} : { was: `${number(slip[0])} → ` }), left: number(slip[1]), unit: " mm" };
}
const slipWords = (contact) => Object.values(slipParts(contact)).join("");
const laneNames = () => [...LANES, ...(timeline.settings.amount === undefined ? [] : ["untouched"])];
function drawLanes() {
  const lanes = find("lanes"), hadFocus = lanes.contains(document.activeElement), item = chosenItem(), end = view.first + view.count;
  const isSeen = (first, last) => last >= view.first && first < end;
  lanes.replaceChildren();
  lanes.classList.toggle("many", LANES.length > 2);
  for (const name of laneNames()) {
    const lane = Object.assign(document.createElement("div"), { className: name === "untouched" ? "lane untouched" : "lane" });
    lane.dataset.lane = name;
    lane.title = name === "untouched" ? "Frames that stay as they are: drag to add" : "Contacts: drag to add, drag ends to change";
    ofLane(name).forEach((contact) => {
      if (!isSeen(contact.first_frame, contact.last_frame)) return;
      const bar = Object.assign(document.createElement("div"), { className: "bar", tabIndex: 0 });
      if (name !== "untouched") bar.append(...Object.entries(slipParts(contact)).map(([className, textContent]) => Object.assign(document.createElement("span"), { className, textContent })));
      bar.setAttribute("role", "button");
      bar.setAttribute("aria-label", [describe(name, contact), name !== "untouched" && slipWords(contact) && `slip of its stance ${slipWords(contact)}`].filter(Boolean).join(", "));
      bar.title = bar.getAttribute("aria-label");
      bar.classList.toggle("slips", (contact.slip || [])[1] > line.slips_from_mm);
      bar.classList.toggle("other", Boolean(contact.kind) && contact.kind !== "stands");
      bar.classList.toggle("chosen", contact === item);
      Object.assign(bar.style, { left: percent(contact.first_frame), width: `${(100 * (contact.last_frame + 1 - contact.first_frame)) / view.count}%` });
      bar.onfocus = () => { if (touched.drag || contact === chosenItem()) return; choose(name, contact); };
      lane.append(bar);
      bar.item = contact;
    });
    lane.onpointerdown = (event) => startDrag(event, lane, name);
    lanes.append(Object.assign(document.createElement("span"), { textContent: name === "untouched" ? "left alone" : name }), lane);
  }
  const lane = Object.assign(document.createElement("div"), { className: "lane thin" });
  line.problems.forEach((problem, index) => {
    if (!isSeen(problem.first, problem.last)) return;
    const mark = Object.assign(document.createElement("i"), { className: index === touched.shown ? "fault here" : "fault", title: problem.words });
    Object.assign(mark.style, { left: percent(problem.first), width: `${(100 * (problem.last + 1 - problem.first)) / view.count}%` });
    mark.onclick = (event) => { event.stopPropagation(); showProblem(index); };
    lane.append(mark);
  });
  lane.onclick = (event) => goTo(Math.round(view.first + (event.offsetX / lane.clientWidth) * view.count));
  lanes.append(Object.assign(document.createElement("span"), { textContent: "problems" }), lane, Object.assign(document.createElement("div"), { id: "cursor" }));
  if (hadFocus) [...lanes.querySelectorAll(".bar")].find((bar) => bar.item === item)?.focus({ preventScroll: true });
  tellButtons();
  drawCursor();
}
function tellButtons() {
  find("undo").disabled = !touched.undo.length;
  find("redo").disabled = !touched.redo.length;
  find("split").disabled = find("delete").disabled = !chosenItem();
  find("previous").disabled = find("next").disabled = !line.problems.length;
}
function drawCursor() {
  const lane = document.querySelector(".lane"), at = now * line.rate, cursor = find("cursor");
  if (playing) keepInView(at);
  if (cursor && lane) Object.assign(cursor.style, { left: `${lane.offsetLeft + ((at + 0.5 - view.first) / view.count) * lane.clientWidth - 1}px`, display: at < view.first || at > view.first + view.count ? "none" : "" });
}
function startDrag(event, lane, name) {
  const box = lane.getBoundingClientRect(), frameAt = (x) => Math.min(Math.max(Math.floor(view.first + ((x - box.left) / box.width) * view.count), 0), total - 1);
  const at = frameAt(event.clientX), before = snapshot();
  let item = ofLane(name).find((other) => other.first_frame <= at && at <= other.last_frame), mode = "add";
  if (event.target.classList.contains("bar") && !item) return;
  if (item) {
    const bar = event.target.getBoundingClientRect(), edge = Math.min(8, bar.width / 3);
    mode = event.clientX < bar.left + edge ? "first_frame" : event.clientX > bar.right - edge ? "last_frame" : "move";
    choose(name, item);
  }
  const [low, high] = item ? room(name, item) : [0, 0], given = item && { ...item };
  event.preventDefault();
  touched.drag = { name, mode };
  const move = (next) => {
    const to = frameAt(next.clientX);
    if (mode === "add") {
      if (!item && Math.abs(to - at) > 1) {
        item = { part: name, first_frame: at, last_frame: at, ...(name === "untouched" ? {} : { position_m: null, kind: "stands", slip: [null, null] }) };
        (name === "untouched" ? timeline.untouched : timeline.contacts).push(item);
        touched.drag.room = room(name, item);
      }
      if (item) [item.first_frame, item.last_frame] = [Math.max(Math.min(at, to), touched.drag.room[0]), Math.min(Math.max(at, to), touched.drag.room[1])];
    } else if (mode === "move") {
      const by = Math.min(Math.max(to - at, low - given.first_frame), high - given.last_frame);
      [item.first_frame, item.last_frame] = [given.first_frame + by, given.last_frame + by];
    } else item[mode] = mode === "first_frame" ? Math.min(Math.max(to, low), item.last_frame) : Math.max(Math.min(to, high), item.first_frame);
    if (item) { touched.chosen = [name, item.first_frame]; if (mode !== "move" || item.first_frame !== given.first_frame) forgetSlip(item); }
    now = Math.min(to / line.rate, frames - 1);
    setPlaying(false);
    drawLanes();
  };
  const stop = () => {
    removeEventListener("pointermove", move);
    removeEventListener("pointerup", stop);
    removeEventListener("pointercancel", stop);
    touched.drag = null;
    if (!item) goTo(at);
    else if (mode === "move" && item.first_frame !== given.first_frame && "position_m" in item) item.position_m = null;
    if (snapshot() === before) { drawLanes(); return; }
    touched.undo.push(before);
    touched.redo = [];
    finishEdit();
  };
  addEventListener("pointermove", move);
  addEventListener("pointerup", stop);
  addEventListener("pointercancel", stop);
}
function showProblem(index) {
  if (!line.problems.length) return;
  touched.shown = (index + line.problems.length) % line.problems.length;
  const problem = line.problems[touched.shown];
  goTo(problem.frame);
  find("problem").textContent = `${touched.shown + 1} of ${line.problems.length}, at ${(problem.frame / fileFps).toFixed(2)} s: ${problem.words}`;
  find("problem").className = "bad";
  drawLanes();
}
function listProblems() {
  const words = line.problems.length ? `${line.problems.length} ${line.problems.length === 1 ? "problem" : "problems"} left, worst first` : "No problems left";
  find("all").firstElementChild.textContent = words;
  find("problem").textContent = `${words}${line.problems.length ? ": press n" : ""}.`;
  find("problem").className = "";
  find("problems").replaceChildren(...line.problems.slice(0, 100).map((problem, index) => {
    const row = Object.assign(document.createElement("li"), { textContent: `${(problem.frame / fileFps).toFixed(2)} s: ${problem.words}`, tabIndex: 0 });
    row.onclick = () => showProblem(index);
    row.onkeydown = (event) => { if (event.key === "Enter") showProblem(index); };
    return row;
  }));
}
const contactFile = () => ({ frames: total, fps: fileFps, contacts: timeline.contacts.map(({ slip, ...contact }) => contact) });
function exportContacts() {
  const content = JSON.stringify(contactFile(), null, 1) + "\n";
  const link = Object.assign(document.createElement("a"), { href: URL.createObjectURL(new Blob([content], { type: "application/json" })), download: line.name });
  link.click();
}
function zoomLanes(factor) {
  const middle = here();
  view.count = Math.min(total, Math.max(Math.round(view.count * factor), Math.min(10, total)));
  view.first = Math.min(Math.max(Math.round(middle - view.count / 2), 0), total - view.count);
  drawLanes();
}
const actions = {
  undo: () => step("undo", "redo"), redo: () => step("redo", "undo"), split, delete: remove,
  "add-left": () => addSide("left"), "add-right": () => addSide("right"),
  previous: () => showProblem(touched.shown < 0 ? -1 : touched.shown - 1), next: () => showProblem(touched.shown + 1),
  in: () => zoomLanes(0.5), out: () => zoomLanes(2), export: exportContacts,
};
for (const [id, action] of Object.entries(actions)) find(id).onclick = action;
const keys = { n: "next", p: "previous", s: "split", l: "add-left", r: "add-right", Delete: "delete", Backspace: "delete", "+": "in", "=": "in", "-": "out" };
addEventListener("keydown", (event) => {
  if (event.target.matches("input:not([type=range]):not([type=checkbox]), select, textarea") || event.altKey) return;
  if (event.ctrlKey || event.metaKey) {
    const name = { z: event.shiftKey ? "redo" : "undo", y: "redo" }[event.key.toLowerCase()];
    if (name) { actions[name](); event.preventDefault(); }
    return;
  }
  if (event.key === "[") setEnd("first_frame");
  else if (event.key === "]") setEnd("last_frame");
  else if (event.key === "Escape") { touched.chosen = null; document.activeElement.blur(); drawLanes(); }
  else if (keys[event.key]) actions[keys[event.key]]();
  else return;
  event.preventDefault();
});
find("lanes").addEventListener("wheel", (event) => {
  event.preventDefault();
  if (event.ctrlKey) { zoomLanes(Math.exp(event.deltaY / 400)); return; }
  view.first = Math.min(Math.max(Math.round(view.first + ((event.deltaX || event.deltaY) / 800) * view.count), 0), total - view.count);
  drawLanes();
}, { passive: false });
hooks.push(drawCursor);
listProblems();
drawLanes();
colourFeet();
