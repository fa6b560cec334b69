// What an eye would find wrong with a page. Each function is one that a test calls in the page; see sight.py.
({
  // Texts that are cut, leave their frame or the screen's side, lie upon one another or break within a word.
  crowded(scrolls) {
    const HOLDS = "button, .card, .state, td, th, .candidate, header, footer, li, kbd, select";
    const BREAKS = /[\s\-\/·\p{Script=Han}\p{Script=Thai}\p{Script=Hangul}]/u;
    const LONG = 14; // a word of so many letters may have to break
    const wrong = [], texts = [], wide = document.documentElement.clientWidth;
    const word = (node) => node.textContent.trim().replace(/\s+/g, " ").slice(0, 40);
    const name = (one) => [one.tagName.toLowerCase(), one.id && `#${one.id}`, ...[...one.classList].map((part) => `.${part}`)].join("");
    const modal = document.querySelector("dialog[open]");

    const hidden = (one) => !one.checkVisibility({ visibilityProperty: true, opacityProperty: true })
      || one.closest("noscript, option, script") || (modal && !modal.contains(one));
    // Out of sight on purpose, by a frame that scrolls or by being for screen readers alone: null. Else what holds it not.
    const frame = (box, parent) => {
      for (let up = parent; up && up !== document.documentElement; up = up.parentElement) {
        const style = getComputedStyle(up), edge = up.getBoundingClientRect();
        const clips = style.overflowX !== "visible" || style.overflowY !== "visible";
        if (style.clip !== "auto" || style.clipPath !== "none" || (clips && edge.width <= 2)) return null;
        const over = [edge.left - box.left, edge.top - box.top, box.right - edge.right, box.bottom - edge.bottom];
        const out = over.some((by) => by > 1.5);
        if (up.matches(scrolls)) return out ? null : {};
        if (out && (clips || up.matches(HOLDS)) && !["inline", "contents"].includes(style.display)) return { up, over: over.map(Math.round) };
      }
      return {};
    };
    const walk = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    for (let node = walk.nextNode(); node; node = walk.nextNode()) {
      const parent = node.parentElement;
      if (!word(node) || hidden(parent)) continue;
      const range = document.createRange();
      range.selectNodeContents(node);
      const rects = [...range.getClientRects()].filter((rect) => rect.width >= 2 && rect.height >= 2);
      if (new Set(rects.map((rect) => Math.round(rect.top))).size > 1 && !BREAKS.test(node.textContent.trim()) && word(node).length < LONG && !parent.closest("pre, code"))
        wrong.push(`"${word(node)}" is broken within the word`);
      for (const { left, right, top, bottom, height } of rects) {
        // Lines of one text may touch where capitals have no tails: the middle half of each is what counts.
        const box = { node, parent, left, right, top: top + height / 4, bottom: bottom - height / 4 };
        const held = frame(box, parent);
        if (!held) continue;
        if (held.up) wrong.push(`"${word(node)}" leaves ${name(held.up)} by [${held.over}]`);
        if (left < -1 || right > wide + 1) wrong.push(`"${word(node)}" is beyond the screen's side`);
        texts.push(box);
      }
    }
    const shared = (a, b, from, to) => Math.min(a[to], b[to]) - Math.max(a[from], b[from]);
    texts.forEach((a, place) => texts.slice(0, place).forEach((b) => {
      if (a.node !== b.node && shared(a, b, "left", "right") > 2 && shared(a, b, "top", "bottom") > 1)
        wrong.push(`"${word(a.node)}" (${name(a.parent)}) lies upon "${word(b.node)}" (${name(b.parent)})`);
    }));
    return [...new Set(wrong)].slice(0, 12);
  },

  // What does not fit without scrolling: the page itself, and each element of these selectors.
  scrolled(selectors) {
    const wrong = [];
    for (const selector of [":root", ...selectors]) for (const one of document.querySelectorAll(selector)) {
      const [wide, high] = [one.scrollWidth - one.clientWidth, one.scrollHeight - one.clientHeight];
      if (wide > 1) wrong.push(`what ${selector} holds is ${wide} px too wide`);
      if (high > 1) wrong.push(`what ${selector} holds is ${high} px too high`);
    }
    return wrong;
  },

  boxes: (selectors) => selectors.map((selector) => {
    const { left, top, right, bottom } = document.querySelector(selector).getBoundingClientRect();
    return [left, top, right, bottom];
  }),

  // Each character drawn alone, in the fonts of the element, and compared with what one without any glyph looks like
  // there (one that Unicode has not given out).
  tofu(element) {
    const style = getComputedStyle(element), canvas = document.createElement("canvas");
    canvas.width = canvas.height = 64;
    const pen = canvas.getContext("2d", { willReadFrequently: true });
    const picture = (text) => {
      pen.clearRect(0, 0, 64, 64);
      pen.font = `${style.fontWeight} 32px ${style.fontFamily}`;
      pen.textBaseline = "middle";
      pen.fillText(text, 16, 32);
      return pen.getImageData(0, 0, 64, 64).data.join();
    };
    const missing = new Set([" ", "\u0378", "\u{e0fff}", "\u2fe0"].map(picture));
    return [...new Set(element.textContent)].filter((one) => one.trim() && !/[\p{Cf}\p{Mn}]/u.test(one) && missing.has(picture(one)));
  },
})
