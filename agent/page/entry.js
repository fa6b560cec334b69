// Entry by hand.
import { $, put } from "./draw.js";
import { tr } from "./texts.js";
import { post } from "./wire.js";
export { keys } from "./keys.js";

function say(refusal) {
  put($("entry-refused"), refusal ? `${tr(refusal.error)} ${tr(refusal.advice)}` : "");
}
function choose(way) {
  for (const set of document.querySelectorAll("#entry fieldset[data-way]")) {
    set.hidden = set.disabled = set.dataset.way !== way;
  }
  document.querySelector(`#entry fieldset[data-way="${way}"]`).querySelector("textarea, input").focus();
}

// The dialog of entry by hand. What was typed is forgotten when it is sent or left, and kept while the line is lost.
export function manualEntry(currentLane) {
  const dialog = $("entry"), form = $("entry-form");
  let parked = false;
  form.addEventListener("change", (event) => { if (event.target.name === "way") choose(event.target.value); });
  form.addEventListener("submit", async (event) => {
    event.preventDefault();
    if (form.inert) return;
    const { way, ...fields } = Object.fromEntries(new FormData(form));
    form.inert = true;
    const answer = await post("/enter", { lane: currentLane(), ...fields });
    form.inert = false;
    if (answer.ok) return dialog.close();
    say(answer);
    choose(way);
  });
  dialog.addEventListener("close", () => { if (!parked) { form.reset(); say(null); } });
  $("entry-cancel").addEventListener("click", () => dialog.close());
  const open = () => {
    parked = false;
    put($("entry-lane"), currentLane());
    if (!dialog.open) dialog.showModal();
    choose(new FormData(form).get("way"));
  };
  return {
    open,
    park() { if (dialog.open) { parked = true; dialog.close(); } },
    back() { if (parked) open(); },
  };
}
