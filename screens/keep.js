// What a screen remembers for itself: the language, the sound. A private window has no storage: then it forgets.
export const keep = (name, value) => { try { localStorage.setItem(name, value); } catch { /* nothing to be done */ } };
export const kept = (name) => { try { return localStorage.getItem(name); } catch { return null; } };
