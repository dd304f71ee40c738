// The player: two videos, their controls, and the answers to choose from.
//
// Takes addresses, labels and options (see annotation/player/__init__.py), and knows nothing of studies. All text goes
// in as text, never as HTML.

const RATES = [0.25, 0.5, 0.75, 1, 1.5, 2];
const MODES = { side: "Side by side", flicker: "Flicker", wipe: "Wipe" };
const PATIENT = 4000; // milliseconds until an answer that brought no new pair may be sent again
const HELP =
  "Space play or pause · ← → one frame · Home End first, last frame · [ ] speed · L loop · " +
  "F flicker (F again changes over) · W wipe (Shift ← → moves the edge) · Esc side by side · " +
  "M mark (arrows, X other video, Enter)";

class Player {
  constructor(root, send) {
    this.root = root;
    this.send = send;
    this.ref = Object.fromEntries([...root.querySelectorAll("[data-ref]")].map((e) => [e.dataset.ref, e]));
    this.videos = [this.ref.video0, this.ref.video1];
    this.front = 0; // which video lies on top in flicker
    this.lock = new FrameLock(this.videos, () => this.render());
    this.watched = this.videos.map((video, side) => new Watched(video, () => this.isShown(side)));
    const canvases = [this.ref.canvas0, this.ref.canvas1];
    this.screen = new Screen(this.videos, canvases, (side, frame) => this.watched[side].see(frame));
    const frames = [this.ref.frame0, this.ref.frame1];
    this.mark = new Mark(frames, [this.ref.cross0, this.ref.cross1], () => this.render());
    this.listen();
  }

  listen() {
    this.root.addEventListener("click", this.whenClicked);
    document.addEventListener("keydown", this.whenKey);
    this.ref.position.addEventListener("input", () => this.lock.seek(Number(this.ref.position.value)));
    this.ref.edge.addEventListener("input", () => this.moveEdge(Number(this.ref.edge.value)));
    this.ref.stage.addEventListener("pointermove", (event) => {
      if (this.mode === "wipe" && !this.mark.setting && (event.buttons || event.pointerType === "mouse")) {
        this.moveEdge(inside(event, this.ref.frame0)[0] * 100);
      }
    });
  }

  close() {
    document.removeEventListener("keydown", this.whenKey);
    clearTimeout(this.unlock);
    this.lock.close();
    this.screen.close();
  }

  // Shows a pair with its options; the same pair again only takes over its options.
  show(data) {
    const another = data.id !== this.data?.id || String(data.addresses) !== String(this.data.addresses);
    this.data = data;
    if (another) this.begin();
    else if (this.sent && data.received === this.request) this.settle();
    this.render();
  }

  // The answer has arrived, and the pair stays: it may be answered anew.
  settle() {
    clearTimeout(this.unlock);
    this.sent = null;
    this.request = randomName();
    this.notice("");
  }

  async begin() {
    const { data } = this;
    Object.assign(this, { readyAt: null, failed: false, sent: null, request: randomName() });
    clearTimeout(this.unlock);
    this.setMode("side");
    this.mark.reset();
    this.screen.reset(data.fps, data.width, data.height);
    for (const watched of this.watched) watched.reset(data.frames, data.fps);
    this.describe();
    this.notice("Loading both videos …");
    try {
      if (!(await this.lock.load(data.addresses, data.frames, data.fps))) return;
    } catch {
      if (data === this.data || data.id === this.data.id) this.fail();
      return;
    }
    this.readyAt = performance.now();
    this.notice("");
    this.render();
    fetchEarly(data.upcoming ?? []);
    const still = matchMedia("(prefers-reduced-motion: reduce)").matches;
    if (data.autoplay && !still && !document.hidden) this.lock.play();
  }

  describe() {
    const { prompt, labels, answers } = this.data;
    this.ref.prompt.textContent = prompt;
    this.ref.prompt.hidden = !prompt;
    labels.forEach((label, side) => {
      this.ref[`label${side}`].textContent = label;
      this.videos[side].setAttribute("aria-label", `Video: ${label}`);
    });
    this.ref.stage.style.setProperty("--shape", this.data.width / this.data.height);
    this.ref.keys.textContent = HELP + answers.map(({ key, label }) => ` · ${key} ${label}`).join("");
    this.ref.answers.setAttribute("aria-label", this.data.question);
    this.ref.answers.replaceChildren(...answers.map((answer) => this.answerButton(answer)));
  }

  answerButton({ key, value, label }) {
    const button = document.createElement("button");
    const hint = document.createElement("kbd");
    Object.assign(button, { type: "button", textContent: label });
    button.dataset.answer = value;
    button.setAttribute("aria-keyshortcuts", key);
    hint.textContent = key;
    hint.setAttribute("aria-hidden", "true");
    button.append(hint);
    return button;
  }

  fail() {
    this.failed = true;
    this.notice("A video could not be loaded. This is not your fault.");
    this.send("failed", { id: this.data.id, request: this.request });
  }

  // What keeps an answer from being taken, or "".
  get obstacle() {
    if (this.failed) return "A video could not be loaded.";
    if (this.readyAt === null) return "The videos are still loading.";
    if (this.sent) return "Saving …";
    const least = Math.min(...this.watched.map((watched) => watched.share));
    const asked = this.data.min_watched ?? 0;
    if (least + 1e-9 < asked) return `Watch both videos first: ${percent(least)} of ${percent(asked)} seen.`;
    return "";
  }

  answer(value) {
    const button = this.ref.answers.querySelector(`[data-answer="${value}"]`);
    if (!button || button.disabled) return;
    if (this.obstacle) return this.say(this.obstacle);
    this.sent = value;
    this.lock.pause();
    this.send("answer", { id: this.data.id, request: this.request, value, ...this.report() });
    const { request } = this;
    this.unlock = setTimeout(() => {
      if (this.request !== request) return;
      this.sent = null;
      this.render();
      this.notice("Not saved yet. Check the connection, then answer again; nothing is counted twice.");
    }, PATIENT);
    this.render();
  }

  report() {
    const { worst, sum, n, stalls } = this.lock.drift;
    return {
      watched: this.watched.map((watched) => watched.share),
      seconds: (performance.now() - this.readyAt) / 1000,
      mark: this.mark.value,
      drift: { worst, mean: n ? sum / n : 0, stalls },
    };
  }

  isShown(side) {
    return this.mode !== "flicker" || this.front === side;
  }

  setMode(mode) {
    if (mode !== this.mode && this.mode) this.say(MODES[mode]);
    this.mode = mode;
    this.root.dataset.mode = mode;
    if (mode !== "flicker") this.front = 0;
    this.render();
  }

  flick() {
    if (this.mode === "flicker") this.front = 1 - this.front;
    else this.setMode("flicker");
    this.say(`${MODES.flicker}: ${this.data.labels[this.front]}`);
    this.render();
  }

  moveEdge(percentage) {
    this.ref.edge.value = Math.min(100, Math.max(0, percentage));
    this.ref.stage.style.setProperty("--edge", `${this.ref.edge.value}%`);
  }

  changeRate(by) {
    const at = RATES.indexOf(this.lock.rate);
    this.lock.setRate(RATES[Math.min(RATES.length - 1, Math.max(0, at + by))]);
    this.say(`Speed ${this.lock.rate}`);
  }

  startMark() {
    this.lock.pause();
    this.mark.begin((this.lock.frame + 0.5) / this.data.fps, this.front);
    this.say("Mark: click the place, or move the cross with the arrow keys and press Enter.");
  }

  actions = {
    toggle: () => (this.lock.wanted ? this.lock.pause() : this.lock.play()),
    back: () => this.lock.step(-1),
    forward: () => this.lock.step(1),
    first: () => this.lock.step(-this.data.frames),
    last: () => this.lock.step(this.data.frames),
    slower: () => this.changeRate(-1),
    faster: () => this.changeRate(1),
    loop: () => {
      this.lock.loop = !this.lock.loop;
      this.say(this.lock.loop ? "Loop on" : "Loop off");
    },
    side: () => this.setMode("side"),
    flicker: () => this.flick(),
    wipe: () => this.setMode(this.mode === "wipe" ? "side" : "wipe"),
    mark: () => (this.mark.setting ? this.mark.cancel() : this.startMark()),
    help: () => {
      this.ref.keys.hidden = !this.ref.keys.hidden;
      this.ref.helper.setAttribute("aria-expanded", String(!this.ref.keys.hidden));
    },
  };

  keys = {
    " ": "toggle",
    ArrowLeft: "back",
    ArrowRight: "forward",
    Home: "first",
    End: "last",
    "[": "slower",
    "]": "faster",
    l: "loop",
    f: "flicker",
    w: "wipe",
    Escape: "side",
    m: "mark",
    "?": "help",
  };

  act(name) {
    this.actions[name]();
    this.render();
  }

  whenClicked = (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button.dataset.do) this.act(button.dataset.do);
    if (button.dataset.answer) this.answer(button.dataset.answer);
    if (event.detail > 0) this.root.focus({ preventScroll: true }); // a click leaves the space bar to the videos
  };

  whenKey = (event) => {
    const key = plainKey(event);
    if (key === null || !this.root.isConnected) return;
    const answer = event.repeat ? undefined : this.data.answers.find((one) => one.key === key);
    if (this.mark.setting && this.mark.key(key)) event.preventDefault();
    else if (answer) this.answer(answer.value);
    else if (this.mode === "wipe" && event.shiftKey && key.startsWith("Arrow")) {
      this.moveEdge(Number(this.ref.edge.value) + (key === "ArrowLeft" ? -5 : 5));
      event.preventDefault();
    } else if (this.keys[key]) {
      this.act(this.keys[key]);
      event.preventDefault();
    }
  };

  notice(text) {
    this.ref.notice.textContent = text;
    this.ref.notice.hidden = !text;
    if (text) this.say(text);
  }

  say(text) {
    this.ref.spoken.textContent = text;
  }

  render() {
    if (!this.data) return;
    const { ref, lock } = this;
    const { frame } = lock;
    text(ref.play, lock.wanted ? "Pause" : "Play");
    text(ref.count, `${frame + 1} / ${this.data.frames}`);
    text(ref.rate, `${lock.rate}×`);
    text(ref.hint, this.data.answers.length ? this.obstacle || this.data.question : "");
    ref.position.max = this.data.frames - 1;
    ref.position.value = frame;
    ref.position.setAttribute("aria-valuetext", `frame ${frame + 1} of ${this.data.frames}`);
    pressed(ref.loop, lock.loop);
    for (const mode of Object.keys(MODES)) pressed(ref[mode], this.mode === mode);
    pressed(ref.mark, this.mark.setting || this.mark.value !== null);
    ref.edge.hidden = this.mode !== "wipe";
    this.videos.forEach((_, side) => ref[`pane${side}`].classList.toggle("front", this.front === side));
    const blocked = String(this.obstacle !== "");
    for (const button of ref.answers.children) {
      button.setAttribute("aria-disabled", blocked);
      pressed(button, this.sent === button.dataset.answer);
    }
  }
}

// Brings the next pair's videos into the browser's cache, where they may stay. What fails will be asked for again.
function fetchEarly(addresses) {
  for (const address of addresses) {
    fetch(address, { priority: "low" })
      .then((answer) => answer.blob())
      .catch(() => {});
  }
}

function text(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

function pressed(button, is) {
  button.setAttribute("aria-pressed", String(is));
}

function percent(share) {
  return `${Math.floor(share * 100)} %`;
}

function randomName() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
