// One optional mark: a moment and a place in one of the videos. Set by a click, or with the arrow keys and Enter.

const STEP = 0.04; // how far an arrow key moves the cross, as a share of the picture

class Mark {
  constructor(panes, crosses, changed) {
    Object.assign(this, { panes, crosses, changed });
    this.reset();
    panes.forEach((pane, side) =>
      pane.addEventListener("click", (event) => {
        if (this.setting) this.put(side, ...inside(event, pane));
      }),
    );
  }

  reset() {
    this.setting = false;
    this.value = null; // {side: 0 or 1, second, x, y}, x and y in [0,1] from the top left
    this.cross = null;
    this.show();
  }

  begin(second, side) {
    this.second = second;
    this.setting = true;
    this.cross = { side, x: 0.5, y: 0.5 };
    this.show();
  }

  cancel() {
    this.setting = false;
    this.cross = this.value;
    this.show();
  }

  put(side, x, y) {
    this.value = this.cross = { side, second: this.second, x, y };
    this.setting = false;
    this.show();
  }

  // True when the key was one of the cross.
  key(name) {
    const by = { ArrowLeft: [-STEP, 0], ArrowRight: [STEP, 0], ArrowUp: [0, -STEP], ArrowDown: [0, STEP] }[name];
    if (by) this.cross = { ...this.cross, x: within(this.cross.x + by[0]), y: within(this.cross.y + by[1]) };
    else if (name === "x") this.cross = { ...this.cross, side: 1 - this.cross.side };
    else if (name === "Enter") this.put(this.cross.side, this.cross.x, this.cross.y);
    else if (name === "Escape") this.cancel();
    else return false;
    this.show();
    return true;
  }

  show() {
    this.crosses.forEach((cross, side) => {
      cross.hidden = this.cross?.side !== side;
      if (cross.hidden) return;
      cross.style.left = `${this.cross.x * 100}%`;
      cross.style.top = `${this.cross.y * 100}%`;
      cross.classList.toggle("setting", this.setting);
    });
    this.changed?.();
  }
}

function within(share) {
  return Math.min(1, Math.max(0, share));
}

function inside(event, element) {
  const box = element.getBoundingClientRect();
  return [within((event.clientX - box.left) / box.width), within((event.clientY - box.top) / box.height)];
}
