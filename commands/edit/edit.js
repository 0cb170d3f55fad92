// --- edits that the server corrects again ---------------------------------------------------------------------------
const editing = scene.editing;
document.head.append(Object.assign(document.createElement("style"), { textContent: `
  #edit { display: flex; flex-wrap: wrap; gap: .35rem .8rem; align-items: center; background: var(--bar); padding: .3rem .7rem .6rem; font-size: .85rem; }
  #edit input[type=number] { font: inherit; width: 6.5rem; padding: .1rem .3rem; border: 1px solid var(--edge); border-radius: 5px; background: var(--bar); color: inherit; }
  #edit select { padding: .1rem .3rem; } #figures { display: flex; flex-wrap: wrap; gap: .1rem 1rem; font-variant-numeric: tabular-nums; } #figures b { font-weight: 600; }
  #save { font-weight: 600; } #status { color: var(--soft); } #status.bad { color: var(--bad); } #command { flex-basis: 100%; color: var(--soft); font: .75rem/1.3 ui-monospace, monospace; overflow-wrap: anywhere; user-select: all; }` }));
find("timeline").insertAdjacentHTML("afterend", `<section id="edit" aria-label="Correction">
  <label>strength <select id="strength" title="kinematic is fastest; the others plan contact forces, and simulate a body if these do not suffice"></select></label>
  <label>amount <input id="amount" type="range" min="0" max="1" step="0.05" value="1" title="Share of the correction that is applied"><span id="amount-words">100 %</span></label>
  <label>floor <input id="floor" type="number" step="0.01" placeholder="as shown" title="Height of the floor in the file, in metres; empty for the floor that the motion shows"> m</label>
  <button id="add-untouched" title="Leave half a second alone from here on (x); drag its ends">+ left alone</button>
  <button id="save" title="Write the corrected file and the contacts (Ctrl+S)">save</button>
  <span id="status" role="status"></span><div id="figures"></div><div id="command" title="This command writes the same file after you have saved the contacts"></div>
</section>`);
find("add").style.display = "none";
for (const name of editing.strengths) find("strength").append(Object.assign(document.createElement("option"), { value: name, textContent: name }));
timeline.settings = { strength: editing.strengths[0], amount: 1, floor_m: null, own: true };
let given = JSON.stringify(contactFile().contacts);  // as the correction found them
let pending = null, isAsking = false;
const say = (words, isBad = false) => { find("status").textContent = words; find("status").className = isBad ? "bad" : ""; };
const showSettings = () => {
  find("strength").value = timeline.settings.strength;
  find("amount").value = timeline.settings.amount;
  find("amount-words").textContent = `${Math.round(100 * timeline.settings.amount)} %`;
  find("floor").value = timeline.settings.floor_m === null ? "" : timeline.settings.floor_m;
};
const state = () => {
  const { strength, amount, floor_m, own } = timeline.settings, file = contactFile();
  file.contacts = file.contacts.map(({ position_m, ...contact }) => ({ ...contact, position_m: position_m || null }));
  return { strength, amount, floor_m, untouched: timeline.untouched.map(({ first_frame, last_frame }) => ({ first_frame, last_frame })), contacts: own ? null : file };
};
const FIGURES = { slip_mm: ["slip", "mm per stance", 0], penetration_mm: ["penetration", "mm", 1], floating_mm: ["floating", "mm", 1], knee_deg_s: ["fastest knee", "°/s", 0], jerk_m_s3: ["jerk", "m/s³", 0] };
function showFigures() {
  find("figures").replaceChildren(...Object.entries(FIGURES).map(([key, [name, unit, digits]]) => {
    const [first, last] = line.figures[key], shown = first === null ? "" : `${first.toFixed(digits)} → `, row = document.createElement("span");
    row.dataset.figure = key;
    row.append(`${name} `, Object.assign(document.createElement("b"), { textContent: `${shown}${last.toFixed(digits)}` }), ` ${unit}`);
    return row;
  }));
}
function show(answer) {
  const piece = answer.piece;
  if (piece) {
    after.root.set(numbers(piece.root, "<f4"), 3 * piece.first);
    after.points.set(numbers(piece.points, "<i2"), 3 * piece.first * after.count);
    if (after.depth && piece.depth) {
      after.depth.set(numbers(piece.depth, "<f4"), piece.first);
      after.means[0] = after.depth.reduce((sum, depth) => sum + depth, 0) / after.frames;
    }
  }
  const places = new Map(timeline.contacts.map((contact) => [`${contact.part} ${contact.first_frame}`, contact]));
  if (timeline.settings.own) timeline.contacts = answer.timeline.contacts.contacts.map((contact, index) => ({ ...contact, slip: answer.timeline.slips_mm[index] }));
  else answer.timeline.contacts.contacts.forEach((contact, index) => { const bar = places.get(`${contact.part} ${contact.first_frame}`); if (bar) bar.slip = answer.timeline.slips_mm[index]; });
  given = JSON.stringify(contactFile().contacts);
  Object.assign(line, answer.timeline);
  touched.shown = -1;
  find("command").textContent = answer.command;
  say(answer.reason ? `not corrected: ${answer.reason}` : "", Boolean(answer.reason));
  find("status").title = answer.notes.join("\n");
  colourFeet();
  showFigures();
  listProblems();
  drawLanes();
}
async function send(action, signal) {
  const answer = await fetch(action, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(state()), signal });
  if (!answer.ok) throw new Error(`the server refused (${answer.status})`);
  return answer.json();
}
async function correctAgain() {
  if (pending) pending.abort();
  const own = pending = new AbortController(), since = performance.now();
  say("correcting …");
  document.body.dataset.state = "busy";
  try {
    const answer = await send("correct", own.signal);
    if (own !== pending || answer.superseded) return;
    if (answer.error) say(answer.error, true);
    else show(answer);
    document.body.dataset.seconds = ((performance.now() - since) / 1000).toFixed(2);
    document.body.dataset.state = answer.error ? "error" : "ready";
  } catch (error) {
    if (error.name === "AbortError") return;
    say(`${error.message}; is selfcorrect edit still running?`, true);
    document.body.dataset.state = "error";
  }
}
async function save() {
  if (isAsking) return;
  isAsking = true;
  say("saving …");
  try {
    const answer = await send("save");
    say(answer.error || `saved ${answer.saved.join(" and ")}`, Boolean(answer.error));
    document.body.dataset.saved = answer.error ? "" : String(Number(document.body.dataset.saved || 0) + 1);
  } catch (error) {
    say(`${error.message}; is selfcorrect edit still running?`, true);
  } finally {
    isAsking = false;
  }
}
timeline.edited = () => {
  if (timeline.settings.own && JSON.stringify(contactFile().contacts) !== given) timeline.settings.own = false;
  showSettings();
  correctAgain();
};
const change = (name, value) => edit(() => { timeline.settings[name] = value; });
find("strength").onchange = (event) => change("strength", event.target.value);
find("amount").oninput = (event) => { find("amount-words").textContent = `${Math.round(100 * event.target.value)} %`; };
find("amount").onchange = (event) => change("amount", Number(event.target.value));
find("floor").onchange = (event) => change("floor_m", event.target.value === "" ? null : Number(event.target.value));
find("add-untouched").onclick = () => add("untouched", here(), here() + Math.round(0.5 * fileFps));
find("save").onclick = save;
addEventListener("keydown", (event) => {
  if ((event.ctrlKey || event.metaKey) && event.key.toLowerCase() === "s") { event.preventDefault(); save(); }
  else if (event.key === "x" && !event.ctrlKey && !event.target.matches("input[type=number]")) find("add-untouched").click();
});
addEventListener("beforeunload", (event) => { if (touched.undo.length && !document.body.dataset.saved) event.preventDefault(); });
showSettings();
showFigures();
find("command").textContent = editing.command;
say(editing.reason ? `not corrected: ${editing.reason}` : "", Boolean(editing.reason));
document.body.dataset.state = "ready";
drawLanes();
