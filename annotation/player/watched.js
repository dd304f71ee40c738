// Which frames of a video were shown on the screen.

const GAP = 0.25; // seconds: frames left out between two pictures of a playing video count as seen

class Watched {
  constructor(video, shown) {
    this.video = video;
    this.shown = shown; // says whether the video is visible at all
    this.reset(1, 1);
  }

  reset(frames, fps) {
    Object.assign(this, { frames, fps, seen: new Set(), last: null });
  }

  // Share of the frames that were shown, 0 to 1.
  get share() {
    return Math.min(1, this.seen.size / this.frames);
  }

  see(at) {
    const frame = Math.min(this.frames - 1, Math.max(0, at));
    if (this.shown() && !document.hidden) {
      const from = this.inOneGo(frame) ? this.last + 1 : frame;
      for (let k = from; k <= frame; k += 1) this.seen.add(k);
      this.last = frame;
    } else this.last = null;
  }

  inOneGo(frame) {
    const playing = this.last !== null && !this.video.paused && frame > this.last;
    return playing && frame - this.last <= GAP * this.fps * Math.max(1, this.video.playbackRate);
  }
}
