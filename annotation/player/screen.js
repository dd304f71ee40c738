// What is on the screen: the videos' pictures, drawn two at a time.
//
// Two videos never change their pictures in the same instant: one is drawn late when the machine is busy, one has found
// its place before the other. So both are drawn onto canvases that lie over them, when both stand at the same frame, and
// until then the last two pictures stay. Where they do not meet for a while, one frame of difference will do, never more
// while they play. What stands still is drawn as it stands.

const HOLD = 150; // milliseconds that the last two pictures stay while the videos are one frame apart
const STALE = 8; // frames: what was heard of a video that has jumped this far since is not what it would draw now

class Screen {
  constructor(videos, canvases, drawn) {
    Object.assign(this, { videos, canvases, drawn });
    this.contexts = canvases.map((canvas) => canvas.getContext("2d", { alpha: false }));
    this.reset(1, 1, 1);
    if (videos[0].requestVideoFrameCallback) videos.forEach((_, side) => this.next(side));
    else requestAnimationFrame(this.guess);
  }

  // Another pair: the videos themselves are seen until both have a picture of it.
  reset(fps, width, height) {
    clearTimeout(this.late);
    Object.assign(this, { fps, at: [null, null], since: null, late: null });
    for (const canvas of this.canvases) Object.assign(canvas, { width, height, hidden: true });
  }

  next(side) {
    this.videos[side].requestVideoFrameCallback((_, { mediaTime }) => {
      if (this.closed) return;
      this.at[side] = Math.round(mediaTime * this.fps);
      this.looking ??= requestAnimationFrame(this.look); // in the same turn, once both were heard
      this.next(side);
    });
  }

  look = (now) => {
    this.looking = null;
    const [left, right] = this.at;
    if (this.closed || left === null || right === null) return;
    const apart = this.jumped() ? Infinity : Math.abs(left - right);
    if (apart > 0) this.since ??= now;
    if (apart === 0 || (apart === 1 && now - this.since > HOLD)) this.draw();
    else this.late ??= setTimeout(this.rest, HOLD); // nothing more may be heard of videos that stand still
  };

  // After a seek or at the loop's start a video may show its new place before it says so.
  jumped() {
    const far = (video, side) => Math.abs(video.currentTime * this.fps - this.at[side]) > STALE;
    return this.videos.some((video, side) => video.seeking || far(video, side));
  }

  rest = () => {
    this.late = null;
    const stands = this.videos.every((video) => video.paused && !video.seeking);
    if (stands && this.since !== null && !this.at.includes(null)) this.draw();
  };

  draw() {
    clearTimeout(this.late);
    this.since = this.late = null;
    this.videos.forEach((video, side) => {
      const canvas = this.canvases[side];
      this.contexts[side].drawImage(video, 0, 0, canvas.width, canvas.height);
      canvas.hidden = false;
      this.drawn(side, this.at[side]);
    });
  }

  // A browser that does not say which frame it shows: the videos are seen as they are.
  guess = () => {
    if (this.closed) return;
    this.videos.forEach((video, side) => this.drawn(side, Math.floor(video.currentTime * this.fps)));
    requestAnimationFrame(this.guess);
  };

  close() {
    this.closed = true;
    clearTimeout(this.late);
  }
}
