// The signal for the top tier: rings from an urgent alert's arrival until a key on this screen has acknowledged it.
// A browser gives sound only after a touch or a key, so the page says plainly while it has none.
const REPEAT_S = 2.4, AHEAD_S = 40, MOST = 1000;
const SEEN = "failsafe-ccc-acknowledged", WISH = "failsafe-ccc-sound";

// A private window has no storage: then this page forgets at its end.
const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* nothing to be done */ } };
const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };

// Ids only, no persons: which alerts this screen has acknowledged.
export function acknowledged() {
  let seen = new Set();
  try { seen = new Set(JSON.parse(kept(SEEN) ?? "[]")); } catch { /* another version's: ring again */ }
  return {
    open: (lines) => lines.filter((line) => !seen.has(line.alert.id)),
    add(lines) {
      seen = new Set([...seen, ...lines.map((line) => line.alert.id)].slice(-MOST));
      keep(SEEN, JSON.stringify([...seen]));
    },
  };
}

// Two tones up, written ahead on the sound's own clock: timers of a page in the background come late.
export function signal(onChange) {
  let context = null, ringing = null, until = 0;
  const on = () => context?.state === "running";
  const tone = (at, pitch) => {
    const voice = context.createOscillator(), volume = context.createGain();
    voice.type = "triangle";
    voice.frequency.value = pitch;
    volume.gain.setValueAtTime(0, at);
    volume.gain.linearRampToValueAtTime(0.5, at + 0.02);
    volume.gain.setValueAtTime(0.5, at + 0.24);
    volume.gain.linearRampToValueAtTime(0, at + 0.3);
    voice.connect(volume).connect(ringing);
    voice.start(at);
    voice.stop(at + 0.32);
  };
  const write = () => {
    until = Math.max(until, context.currentTime + 0.05);
    for (; until < context.currentTime + AHEAD_S; until += REPEAT_S) [[0, 660], [0.34, 880], [0.68, 1175]].forEach(([after, pitch]) => tone(until + after, pitch));
  };
  const open = () => {
    context ??= new AudioContext();
    context.onstatechange = onChange;
    return context.resume().catch(() => {});
  };
  const wake = () => { if (kept(WISH) === "on" && !on()) open(); };
  for (const touch of ["keydown", "pointerdown"]) document.addEventListener(touch, wake);
  return {
    on,
    wanted: () => kept(WISH) === "on",
    async toggle() {
      keep(WISH, on() ? "off" : "on");
      await (on() ? context.suspend() : open());
      onChange();
    },
    // Called at every drawing, once a second at least.
    ring(wanted) {
      if (!wanted || !on()) {
        ringing?.disconnect();
        ringing = null;
        return;
      }
      if (!ringing) { ringing = context.createGain(); ringing.connect(context.destination); until = 0; }
      write();
    },
  };
}
