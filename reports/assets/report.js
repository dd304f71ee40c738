"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);
  const data = JSON.parse(one("#report-data").textContent);
  const still = matchMedia("(prefers-reduced-motion: reduce)").matches;

  /* Clips: each is in the page once; every other place borrows it as a blob. */
  const sources = new Map();
  for (const element of all("[data-clip][src]")) sources.set(element.dataset.clip, element.getAttribute("src"));
  const urls = new Map();
  function url(clip) {
    if (!urls.has(clip)) {
      const [head, body] = sources.get(clip).split(",");
      const bytes = Uint8Array.from(atob(body), (c) => c.charCodeAt(0));
      urls.set(clip, URL.createObjectURL(new Blob([bytes], { type: head.slice(5).split(";")[0] })));
    }
    return urls.get(clip);
  }
  function attach(element) {
    const clip = element.dataset.clip;
    if (!element.dataset.attached && sources.has(clip)) {
      element.dataset.attached = "yes";
      element.src = url(clip);
    }
  }

  /* A group of videos starts together, and starts again together when all have ended. */
  class Group {
    constructor(root) {
      this.root = root;
      this.videos = all("video", root);
      this.wanted = !still;
      this.seen = false;
      for (const video of this.videos) {
        video.loop = false;
        video.autoplay = false;
        video.pause();
        video.addEventListener("ended", () => this.again());
      }
    }
    again() {
      const done = (video) => video.ended || video.error || video.readyState === 0;
      if (this.running() && this.videos.every(done)) this.start(true);
    }
    running() { return this.wanted && this.seen; }
    start(fromBeginning) {
      for (const video of this.videos) {
        if (fromBeginning) video.currentTime = 0;
        if (!video.ended) video.play().catch(() => {});
      }
      if (this.videos.length && this.videos.every((video) => video.ended)) this.start(true);
    }
    update() {
      if (this.running()) this.start(false);
      else for (const video of this.videos) video.pause();
    }
    want(wanted) { this.wanted = wanted; this.update(); }
    see(seen) {
      this.seen = seen;
      if (seen) all("[data-clip]", this.root).forEach(attach);
      this.update();
    }
  }
  const groups = new Map(all("[data-group]").map((root) => [root, new Group(root)]));
  const near = new IntersectionObserver(
    (entries) => entries.forEach((entry) => groups.get(entry.target).see(entry.isIntersecting)),
    { rootMargin: "200px" }
  );
  for (const root of groups.keys()) near.observe(root);
  addEventListener("beforeprint", () => all("[data-clip]").forEach(attach));

  /* Play and pause, one row or all; size of the clips. */
  const playAll = one("[data-play-all]");
  const rowButtons = all("[data-row-play]");
  function showPlaying(button, playing) {
    button.setAttribute("aria-pressed", String(playing));
    button.textContent = playing ? "❚❚" : "▶";
  }
  for (const button of rowButtons) {
    const group = groups.get(one("[data-group]", button.closest(".stage-row")));
    button.hidden = group.videos.length === 0;
    showPlaying(button, group.wanted);
    button.addEventListener("click", () => { group.want(!group.wanted); showPlaying(button, group.wanted); });
  }
  if (playAll) {
    one("[data-controls]").hidden = false;
    let playing = !still;
    const show = () => {
      playAll.textContent = playing ? "Pause all" : "Play all";
      playAll.setAttribute("aria-pressed", String(playing));
    };
    show();
    playAll.addEventListener("click", () => {
      playing = !playing;
      show();
      for (const group of groups.values()) group.want(playing);
      for (const button of rowButtons) showPlaying(button, playing);
    });
    const sizes = all("[data-size]");
    const resize = (chosen) => {
      for (const button of sizes) button.setAttribute("aria-pressed", String(button === chosen));
      const pixels = { 1: "", 2: "256px" }[chosen.dataset.size];
      one("#videos").style.setProperty("--tile", pixels);
      if (!pixels) one("#videos").style.removeProperty("--tile");
    };
    for (const button of sizes) button.addEventListener("click", () => resize(button));
    resize(sizes[0]);
  }

  /* Tables that sort and filter. */
  for (const table of all("[data-sortable]")) {
    const body = table.tBodies[0];
    const original = [...body.rows];
    const heads = all("thead th", table);
    const key = (row, column) => row.cells[column].dataset.sort ?? row.cells[column].textContent.trim();
    const compare = (a, b) => {
      if (a === "" || b === "") return (a === "") - (b === "");
      const [x, y] = [Number(a), Number(b)];
      return Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y;
    };
    heads.forEach((head, column) => {
      const button = document.createElement("button");
      button.type = "button";
      button.className = "sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => {
        const next = { ascending: "descending", descending: "" }[head.getAttribute("aria-sort")] ?? "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        const rows = [...original];
        if (next) {
          head.setAttribute("aria-sort", next);
          const sign = next === "ascending" ? 1 : -1;
          rows.sort((a, b) => {
            const [x, y] = [key(a, column), key(b, column)];
            return x === "" || y === "" ? compare(x, y) : sign * compare(x, y);
          });
        }
        body.append(...rows);
      });
    });
  }
  const filters = one("[data-filters]");
  if (filters) {
    filters.hidden = false;
    const fields = all("[data-filter]", filters);
    const rows = all("table.effects tbody tr");
    const apply = () => {
      let shown = 0;
      for (const row of rows) {
        const fits = fields.every(({ value, dataset: { filter } }) =>
          value === "" || (filter === "text" ? row.textContent.toLowerCase().includes(value.toLowerCase()) : row.dataset[filter] === value)
        );
        row.hidden = !fits;
        shown += fits;
      }
      one("[data-count]").textContent = `${shown} of ${rows.length} comparisons`;
    };
    for (const field of fields) field.addEventListener("input", apply);
    apply();
  }

  /* The viewer: one variant beside the base, large, with its own scores. */
  const viewer = one("dialog.viewer");
  const pick = { arm: one("[data-viewer-arm]"), stage: one("[data-viewer-stage]") };
  const pair = one("[data-viewer-pair]");
  const seek = one("[data-viewer-seek]");
  const play = one("[data-viewer-play]");
  const speed = one("[data-viewer-speed]");
  let scene = 0;
  let group = null;
  function option(select, value, text) {
    const element = document.createElement("option");
    element.value = value;
    element.textContent = text;
    select.append(element);
  }
  for (const arm of data.arms) option(pick.arm, arm.name, arm.title);
  for (const stage of data.stages) option(pick.stage, stage.name, `${stage.name.toUpperCase()} · ${stage.title}`);
  const title = (name) => data.arms.find((arm) => arm.name === name).title;
  function side(arm) {
    const article = all(".scene")[scene];
    const tile = all(".tile", article).find((t) => t.dataset.arm === arm && t.dataset.stage === pick.stage.value);
    const figure = document.createElement("figure");
    const frame = document.createElement("div");
    const caption = document.createElement("figcaption");
    const words = document.createElement("bdi");
    frame.className = "frame";
    words.textContent = title(arm);
    const clip = tile && one("[data-clip]", tile);
    if (clip) {
      const copy = document.createElement(clip.localName);
      copy.dataset.clip = clip.dataset.clip;
      copy.muted = true;
      copy.playsInline = true;
      copy.setAttribute(clip.localName === "img" ? "alt" : "aria-label", clip.alt || clip.getAttribute("aria-label"));
      frame.append(copy);
    } else {
      frame.classList.add("empty");
      frame.textContent = tile ? tile.querySelector(".frame").textContent.trim() : "not shown";
    }
    caption.append(words);
    figure.append(frame, caption);
    return figure;
  }
  function scores(arms) {
    const table = document.createElement("table");
    const row = (cells, kind) => {
      const line = document.createElement("tr");
      cells.forEach((text, index) => {
        const cell = document.createElement(index === 0 || kind === "th" ? "th" : "td");
        cell.scope = kind === "th" ? "col" : "row";
        if (kind !== "th" && index) cell.removeAttribute("scope");
        cell.textContent = text;
        if (index) cell.className = "n";
        line.append(cell);
      });
      return line;
    };
    const head = document.createElement("thead");
    const body = document.createElement("tbody");
    head.append(row(["This video’s scores", ...arms.map(title)], "th"));
    for (const line of data.scores[scene]) {
      body.append(row([`${line.title} ${line.direction.slice(-1)}`, ...arms.map((arm) => line.values[arm] ?? "–")], "td"));
    }
    table.append(head, body);
    one("[data-viewer-scores]").replaceChildren(table);
    one("[data-viewer-scores]").hidden = data.scores[scene].length === 0;
  }
  function fill() {
    const arms = pick.arm.value === data.base ? [data.base] : [data.base, pick.arm.value];
    one("#viewer-title").textContent = arms.length === 1 ? title(arms[0]) : `${title(arms[0])} and ${title(arms[1])}`;
    one("[data-viewer-prompt]").replaceChildren(Object.assign(document.createElement("bdi"), { textContent: data.prompts[scene] }));
    if (group) group.see(false);
    pair.replaceChildren(...arms.map(side));
    group = new Group(pair);
    seek.value = 0;
    one(".viewer-controls").hidden = group.videos.length === 0;
    group.videos.forEach((video) => {
      video.playbackRate = video.defaultPlaybackRate = Number(speed.value);
      video.addEventListener("timeupdate", () => {
        if (group.wanted && video === group.videos[0] && video.duration) seek.value = (1000 * video.currentTime) / video.duration;
      });
    });
    showViewerPlaying();
    group.see(true);
    scores(arms);
  }
  function showViewerPlaying() {
    play.textContent = group.wanted ? "Pause" : "Play";
    play.setAttribute("aria-pressed", String(group.wanted));
  }
  for (const select of Object.values(pick)) select.addEventListener("change", fill);
  speed.addEventListener("change", () => group.videos.forEach((video) => { video.playbackRate = Number(speed.value); }));
  play.addEventListener("click", () => { group.want(!group.wanted); showViewerPlaying(); });
  seek.addEventListener("input", () => {
    group.want(false);
    showViewerPlaying();
    for (const video of group.videos) if (video.duration) video.currentTime = (seek.value / 1000) * video.duration;
  });
  one("[data-close]").addEventListener("click", () => viewer.close());
  viewer.addEventListener("click", (event) => { if (event.target === viewer) viewer.close(); });
  viewer.addEventListener("close", () => { if (group) group.see(false); });
  for (const button of all("[data-open]")) {
    button.addEventListener("click", () => {
      const tile = button.closest(".tile");
      const others = data.arms.filter((arm) => arm.name !== data.base);
      scene = Number(button.dataset.scene);
      pick.stage.value = tile.dataset.stage;
      pick.arm.value = tile.dataset.arm === data.base && others.length ? others[0].name : tile.dataset.arm;
      viewer.showModal();
      fill();
    });
  }
})();
