// Two videos that show the same frame at the same time.
//
// The first video is the master clock. Whoever asks (play, pause, seek) only writes down what is wanted; one loop at a
// time brings both videos there, so that requests cannot overtake each other. While both play, the second follows: a
// small lag is caught up by its speed, a lag of a frame by placing both anew. A video that waits for data makes the
// other wait too.

const SOFT = 0.1; // largest change of the follower's speed, as a share
const PATIENCE = 20_000; // milliseconds for a video to load or to seek

class FrameLock {
  constructor(videos, changed) {
    this.videos = videos;
    this.changed = changed;
    this.rate = 1;
    this.loop = true;
    this.turn = 0; // counts pairs, so that a pair that is gone cannot speak up late
    this.forget();
    document.addEventListener("visibilitychange", this.whenHidden);
  }

  forget() {
    Object.assign(this, { frames: 1, fps: 1, ready: false, wanted: false, running: false, target: null });
    this.drift = { worst: 0, sum: 0, n: 0, stalls: 0 };
  }

  close() {
    this.turn += 1;
    this.wanted = this.running = false;
    document.removeEventListener("visibilitychange", this.whenHidden);
    for (const video of this.videos) unload(video);
  }

  // Loads a pair; true when both can play and show their first frame, false when another pair came in between.
  async load(addresses, frames, fps) {
    const turn = ++this.turn;
    this.forget();
    Object.assign(this, { frames: Math.max(1, frames), fps });
    this.videos.forEach((video, i) => {
      video.pause();
      video.src = addresses[i];
      video.load();
    });
    await Promise.all(this.videos.map((video) => until(video, "canplay", () => video.readyState >= 3)));
    if (turn !== this.turn) return false;
    this.ready = true;
    await this.seek(0);
    return turn === this.turn;
  }

  // The frame the pair stands at, 0 to frames - 1.
  get frame() {
    return this.target ?? this.inside(Math.floor(this.videos[0].currentTime * this.fps + 0.001));
  }

  inside(frame) {
    return Math.min(this.frames - 1, Math.max(0, Math.round(frame)));
  }

  play() {
    if (!this.ready || this.wanted) return;
    if (this.frame >= this.frames - 1) this.target = 0;
    this.wanted = true;
    return this.settle();
  }

  pause() {
    this.wanted = false;
    return this.settle();
  }

  seek(frame) {
    if (!this.ready) return;
    this.target = this.inside(frame);
    return this.settle();
  }

  step(frames) {
    this.wanted = false;
    return this.seek(this.frame + frames);
  }

  setRate(rate) {
    this.rate = rate;
    for (const video of this.videos) video.playbackRate = rate;
    this.changed();
  }

  // Brings both videos to what is wanted. Only one runs; it looks again after each step.
  settle() {
    this.changed();
    this.settling ??= this.work(this.turn).finally(() => {
      this.settling = null;
      if (this.ready && (this.target !== null || this.wanted !== this.running)) return this.settle();
      this.changed();
    });
    return this.settling;
  }

  async work(turn) {
    while (turn === this.turn && this.ready) {
      if (this.running && !this.wanted) {
        this.target ??= this.frame; // both stop at the master's frame
        this.stop();
      } else if (this.target !== null) {
        await this.place(this.target, turn);
      } else if (this.wanted && !this.running) {
        await this.start(turn);
      } else return;
    }
  }

  async place(frame, turn) {
    this.stop();
    await Promise.all(this.videos.map((video) => seekTo(video, (frame + 0.5) / this.fps))); // the middle of the frame
    if (turn === this.turn && this.target === frame) this.target = null;
  }

  async start(turn) {
    this.setRate(this.rate);
    try {
      await Promise.all(this.videos.map((video) => video.play()));
    } catch {
      if (turn === this.turn && this.wanted && this.target === null) this.wanted = false; // the browser refused
    }
    if (turn !== this.turn) return;
    this.running = true;
    if (this.wanted) requestAnimationFrame(this.follow);
  }

  stop() {
    this.running = false;
    for (const video of this.videos) video.pause();
  }

  // Once per picture of the screen while both play.
  follow = () => {
    if (!this.running || !this.wanted || this.target !== null) return;
    const [master, follower] = this.videos;
    if (master.ended || follower.ended) this.finish();
    else if (this.videos.some((video) => video.readyState < 3)) this.wait();
    else this.correct(follower.currentTime - master.currentTime);
    this.changed();
    if (this.running && this.target === null) requestAnimationFrame(this.follow);
  };

  correct(lag) {
    const frames = Math.abs(lag * this.fps);
    this.drift.worst = Math.max(this.drift.worst, frames);
    this.drift.sum += frames;
    this.drift.n += 1;
    if (frames > 1) return this.again(this.frame);
    const nudge = frames < 0.1 ? 0 : Math.min(SOFT, Math.max(-SOFT, lag * 2));
    const wanted = this.rate * (1 - nudge);
    const follower = this.videos[1];
    if (Math.abs(follower.playbackRate - wanted) > 0.005 * this.rate) follower.playbackRate = wanted;
  }

  wait() {
    this.drift.stalls += 1;
    this.again(this.inside(Math.floor(Math.min(...this.videos.map((video) => video.currentTime)) * this.fps)));
  }

  // The end: the other video has two frames' time to arrive as well.
  finish() {
    const now = performance.now();
    this.endedAt ??= now;
    const both = this.videos.every((video) => video.ended);
    if (!both && now - this.endedAt < 2000 / (this.fps * this.rate)) return;
    this.endedAt = null;
    if (!this.loop) this.wanted = false;
    this.again(this.loop ? 0 : this.frames - 1);
  }

  again(frame) {
    this.target = frame;
    this.settle();
  }

  whenHidden = () => {
    if (document.hidden) {
      this.resume = this.wanted;
      this.pause();
    } else if (this.resume) this.play();
  };
}

function seekTo(video, second) {
  const there = () => !video.seeking && video.readyState >= 2;
  if (Math.abs(video.currentTime - second) < 1e-6 && there()) return;
  video.currentTime = second;
  return until(video, "seeked", there, "emptied");
}

// Resolves at the event once the condition holds, or when the event `over` says that there is nothing more to wait for
// (of a video that another has replaced, no seek ever ends); rejects on the video's error or when it takes too long.
function until(video, event, holds, over) {
  if (holds() && !video.error) return Promise.resolve();
  return new Promise((resolve, reject) => {
    const events = over ? [event, "error", over] : [event, "error"];
    const late = setTimeout(() => done(reject, Error("too slow")), PATIENCE);
    const done = (end, value) => {
      clearTimeout(late);
      for (const name of events) video.removeEventListener(name, check);
      end(value);
    };
    const check = ({ type }) => {
      if (type === over) done(resolve);
      else if (video.error) done(reject, Error(video.error.message || "cannot be played"));
      else if (holds()) done(resolve);
    };
    for (const name of events) video.addEventListener(name, check);
  });
}

function unload(video) {
  video.pause();
  video.removeAttribute("src");
  video.load();
}
