// Sound. A browser gives it only after a touch or a key, so a page asks `live()` and says plainly while there is none.
// Notes are [after, pitch] or [after, pitch, length, loudness]: seconds, hertz, seconds, 0 to 1.
const AHEAD_S = 40;

export function speaker(onChange) {
  let context = null, ringing = null, until = 0;
  const live = () => context?.state === "running";
  const note = (into, at, [after, pitch, length = 0.3, loudness = 0.5]) => {
    const voice = context.createOscillator(), volume = context.createGain(), from = at + after;
    voice.type = "triangle";
    voice.frequency.value = pitch;
    volume.gain.setValueAtTime(0, from);
    volume.gain.linearRampToValueAtTime(loudness, from + 0.02);
    volume.gain.setValueAtTime(loudness, from + length - 0.06);
    volume.gain.linearRampToValueAtTime(0, from + length);
    voice.connect(volume).connect(into);
    voice.start(from);
    voice.stop(from + length + 0.02);
  };
  const open = () => {
    if (typeof AudioContext === "undefined") return Promise.resolve();
    if (!context) { context = new AudioContext(); context.onstatechange = onChange; }
    return live() ? Promise.resolve() : context.resume().catch(() => {});
  };
  const hush = () => { ringing?.line.disconnect(); ringing = null; };
  return {
    live,
    open,
    // Once, now.
    play(notes) {
      if (live()) for (const one of notes) note(context.destination, context.currentTime + 0.03, one);
    },
    // Again and again, every so many seconds, until it is called without notes. To be called at every drawing, once a
    // second at least: notes are written ahead on the sound's own clock, for timers of a page in the background are late.
    ring(notes, every) {
      if (!notes || !live()) return hush();
      const key = JSON.stringify([notes, every]);
      if (ringing?.key !== key) {
        hush();
        ringing = { key, line: context.createGain() };
        ringing.line.connect(context.destination);
        until = 0;
      }
      for (until = Math.max(until, context.currentTime + 0.05); until < context.currentTime + AHEAD_S; until += every) {
        for (const one of notes) note(ringing.line, until, one);
      }
    },
  };
}
