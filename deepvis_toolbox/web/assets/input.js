// Keys, mouse and fingers, as the server wants to hear of them.

const DOUBLE_CLICK_MS = 400;
const DOUBLE_CLICK_PIXELS = 8;
const PIXELS_A_NOTCH = 100;
const LINES_A_NOTCH = 3;
const PINCH_A_NOTCH = 1.15;

// The browser's own shortcuts stay its own; AltGr writes signs.
const isShortcut = (event) => (event.ctrlKey || event.altKey || event.metaKey) && !event.getModifierState("AltGraph");

export function listenToKeys(stage, say) {
  const tell = (event, up) => {
    if (event.isComposing || isShortcut(event) || ["Shift", "Tab"].includes(event.key)) {
      if (event.key !== "Tab" || stage.dataset.typing !== "true") return;
    }
    if (/^F\d+$/.test(event.key) || event.key.length > 40 || event.code.length > 40) return;
    event.preventDefault();
    say({ kind: "key", key: event.key, code: event.code, shift: event.shiftKey, repeats: event.repeat, up });
  };
  const isElsewhere = () => ["INPUT", "SELECT", "BUTTON", "TEXTAREA"].includes(document.activeElement?.tagName);
  document.addEventListener("keydown", (event) => isElsewhere() || tell(event, false));
  document.addEventListener("keyup", (event) => isElsewhere() || tell(event, true));
  return (name) => say({ kind: "press", name });
}

export function listenToPointer(stage, screen, say) {
  const fingers = new Map();
  let last = { time: 0, x: 0, y: 0 };
  let apart = 0;
  let pinched = false;
  let waiting = null;
  let turned = 0;

  const tell = (what, event, more = {}) => {
    const [x, y] = screen.place(event.clientX, event.clientY);
    say({ kind: "pointer", what, x, y, shift: event.shiftKey || isShiftPressed(), ...more });
  };
  const distance = () => {
    const [one, other] = [...fingers.values()];
    return Math.hypot(one.clientX - other.clientX, one.clientY - other.clientY);
  };
  const turn = (event, notches) => {
    turned += notches;
    const turns = Math.trunc(turned);
    if (turns) {
      turned -= turns;
      tell("wheel", event, { turns: Math.max(-100, Math.min(100, turns)) });
    }
  };

  stage.addEventListener("pointerdown", (event) => {
    if (event.button !== 0 || event.target !== screen.canvas) return;
    stage.focus();
    screen.canvas.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, event);
    if (fingers.size === 2) {
      apart = distance();
      pinched = true;
      tell("release", event);
      return;
    }
    pinched = false;
    const near = Math.hypot(event.clientX - last.x, event.clientY - last.y) < DOUBLE_CLICK_PIXELS;
    const isSecond = near && event.timeStamp - last.time < DOUBLE_CLICK_MS;
    last = isSecond ? { time: 0, x: 0, y: 0 } : { time: event.timeStamp, x: event.clientX, y: event.clientY };
    tell(isSecond ? "double click" : "click", event);
  });
  stage.addEventListener("pointermove", (event) => {
    if (fingers.has(event.pointerId)) fingers.set(event.pointerId, event);
    if (fingers.size === 2) {
      const now = distance();
      const notches = Math.log(now / apart) / Math.log(PINCH_A_NOTCH);
      if (Math.abs(notches) >= 1) {
        apart = now;
        turn(event, notches);
      }
      return;
    }
    if (pinched) return;
    if (!waiting) {
      requestAnimationFrame(() => {
        const moved = waiting;
        waiting = null;
        if (moved) tell("move", moved);
      });
    }
    waiting = event;
  });
  const release = (event) => {
    if (!fingers.delete(event.pointerId) || pinched) return;
    if (waiting) tell("move", waiting);
    waiting = null;
    tell("release", event);
  };
  stage.addEventListener("pointerup", release);
  stage.addEventListener("pointercancel", release);
  stage.addEventListener("contextmenu", (event) => event.preventDefault());
  stage.addEventListener(
    "wheel",
    (event) => {
      event.preventDefault();
      turn(event, -event.deltaY / (event.deltaMode === 0 ? PIXELS_A_NOTCH : LINES_A_NOTCH));
    },
    { passive: false },
  );
}

const isShiftPressed = () => document.getElementById("shift").getAttribute("aria-pressed") === "true";

export function listenToPad(pad, say, press) {
  const shift = document.getElementById("shift");
  const any = document.getElementById("any");
  pad.addEventListener("click", (event) => {
    const button = event.target.closest("button");
    if (!button) return;
    if (button === shift) {
      shift.setAttribute("aria-pressed", String(!isShiftPressed()));
      return;
    }
    const isMove = ["left", "right", "up", "down"].includes(button.dataset.key);
    press(isMove && isShiftPressed() ? `shift+${button.dataset.key}` : button.dataset.key);
  });
  any.addEventListener("input", () => {
    if (any.value) press(any.value === " " ? "space" : any.value);
    any.value = "";
  });
  any.addEventListener("keydown", (event) => {
    const named = { Enter: "enter", Backspace: "backspace", Escape: "escape" }[event.key];
    if (named) press(named);
  });
}
