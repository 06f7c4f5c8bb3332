// Connects the page to the server, and hands on what it says.

import { Screen } from "./screen.js";
import { listenToKeys, listenToPointer, listenToPad } from "./input.js";
import { Sources } from "./sources.js";
import { write, writeStatus, writeKeys, veil } from "./texts.js";

const here = new URL(".", location.href);
const isFramed = window.top !== window;

function url(name) {
  return new URL(name, here);
}

// The token stands behind the #, which no browser sends; it is exchanged for a cookie and leaves the address at once.
async function signIn() {
  const token = location.hash.slice(1);
  if (!token) return "";
  if (!isFramed) history.replaceState(null, "", location.pathname);
  const answer = await fetch(url("session"), { method: "POST", body: token, credentials: "same-origin" });
  if (!answer.ok) throw new Error("this address is not valid any more: open the one that the program printed last");
  return token;
}

function open(token) {
  const address = url("window");
  address.protocol = address.protocol === "https:" ? "wss:" : "ws:";
  // In a frame of another site's page the browser keeps the cookie back.
  const socket = new WebSocket(address, isFramed && token ? ["deepvis", "token." + token] : ["deepvis"]);
  socket.binaryType = "arraybuffer";
  return socket;
}

function start(token) {
  const socket = open(token);
  const say = (message) => {
    if (socket.readyState === WebSocket.OPEN) socket.send(JSON.stringify(message));
  };
  const screen = new Screen(document.getElementById("stage"), document.getElementById("picture"), say);
  const sources = new Sources(socket, say, (name) => url(name), token);
  let reason = "";
  let wasOpen = false;

  const answers = {
    hello(content) {
      wasOpen = true;
      veil("");
      sources.begin(content);
      writeKeys(content.keys);
      document.body.classList.toggle("watching", !content.control);
      if (content.control) {
        const press = listenToKeys(document.getElementById("stage"), say);
        listenToPointer(document.getElementById("stage"), screen, say);
        listenToPad(document.getElementById("pad"), say, press);
      }
      screen.begin();
      document.getElementById("stage").focus();
    },
    text: write,
    status: writeStatus,
    camera: (content) => sources.taken(content.number),
    end(content) {
      reason = content.why;
    },
  };

  socket.addEventListener("message", (event) => {
    if (typeof event.data === "string") {
      const content = JSON.parse(event.data);
      answers[content.kind]?.(content);
    } else {
      screen.take(event.data);
    }
  });
  socket.addEventListener("close", () => {
    sources.stop();
    screen.end();
    const refused = "this page needs the address that the program printed, with what stands behind the #";
    veil(reason || (wasOpen ? "the connection has ended; reload the page to connect again" : refused));
  });
}

signIn().then(start, (error) => veil(error.message));
