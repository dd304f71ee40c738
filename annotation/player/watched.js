// Which frames of a video were shown on the screen, as the browser reports them.

const GAP = 0.25; // seconds: frames left out between two reports of a playing video count as seen

class Watched {
  constructor(video, shown) {
    this.video = video;
    this.shown = shown; // says whether the video is visible at all
    this.reset(1, 1);
    this.next();
  }

  reset(frames, fps) {
    Object.assign(this, { frames, fps, seen: new Set(), last: null });
  }

  // Share of the frames that were shown, 0 to 1.
  get share() {
    return Math.min(1, this.seen.size / this.frames);
  }

  next() {
    if (this.closed) return;
    if (this.video.requestVideoFrameCallback) {
      this.video.requestVideoFrameCallback((_, { mediaTime }) => this.see(mediaTime));
    } else {
      requestAnimationFrame(() => this.see(this.video.currentTime - 0.5 / this.fps));
    }
  }

  see(second) {
    const frame = Math.min(this.frames - 1, Math.max(0, Math.round(second * this.fps)));
    if (this.shown() && !document.hidden) {
      const from = this.inOneGo(frame) ? this.last + 1 : frame;
      for (let k = from; k <= frame; k += 1) this.seen.add(k);
      this.last = frame;
    } else this.last = null;
    this.next();
  }

  inOneGo(frame) {
    const playing = this.last !== null && !this.video.paused && frame > this.last;
    return playing && frame - this.last <= GAP * this.fps * Math.max(1, this.video.playbackRate);
  }

  close() {
    this.closed = true;
  }
}
