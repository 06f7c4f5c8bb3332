// Where frames come from: the server's own inputs, this page's camera, a file that is chosen, dropped or pasted.

import { notice } from "./texts.js";

const part = (id) => document.getElementById(id);
const QUALITY = 0.85;
const SECONDS_WITHOUT_ANSWER = 5;

export class Sources {
  constructor(socket, say, url, token) {
    this.socket = socket;
    this.say = say;
    this.url = url;
    this.token = token;
    this.stream = null;
    this.facing = "user";
    this.video = document.createElement("video");
    this.video.muted = true;
    this.video.playsInline = true;
    this.canvas = document.createElement("canvas");
    this.isInFlight = false;
    this.sentAt = 0;
  }

  begin(content) {
    this.viewer = content.viewer;
    this.mirror = content.mirror;
    this.width = content["camera width"];
    this.most = content["upload bytes"];
    const select = part("source");
    select.replaceChildren(
      ...content.sources.map((name, place) => {
        const option = document.createElement("option");
        option.value = String(place);
        option.textContent = name;
        return option;
      }),
    );
    this.own = content.sources.length - 1;
    if (!content.control) return;
    select.disabled = false;
    select.addEventListener("change", () => this.choose(Number(select.value)));
    part("file").disabled = false;
    part("file").addEventListener("click", () => part("chosen").click());
    part("chosen").addEventListener("change", () => this.send(part("chosen").files[0]));
    part("camera").disabled = false;
    part("camera").addEventListener("click", () => (this.stream ? this.stopCamera() : this.startCamera()));
    part("flip").addEventListener("click", () => this.flip());
    this.listenToDrops();
  }

  choose(place) {
    if (place !== this.own) this.stopCamera();
    this.say({ kind: "source", place });
    part("stage").focus();
  }

  // -- camera ----------------------------------------------------------------------------------------------------

  async startCamera() {
    if (!navigator.mediaDevices) {
      notice("the browser gives the camera only to https and to this machine: see --tls-cert, or ssh -L");
      return;
    }
    try {
      const wanted = { width: { ideal: this.width }, facingMode: { ideal: this.facing } };
      this.stream = await navigator.mediaDevices.getUserMedia({ video: wanted, audio: false });
    } catch (error) {
      notice(`no camera: ${error.message}`);
      return;
    }
    this.video.srcObject = this.stream;
    await this.video.play();
    part("camera").setAttribute("aria-pressed", "true");
    part("flip").hidden = false;
    part("source").value = String(this.own);
    this.choose(this.own);
    this.isInFlight = false;
    this.nextPicture();
  }

  stopCamera() {
    this.stream?.getTracks().forEach((track) => track.stop());
    this.stream = null;
    this.video.srcObject = null;
    part("camera").setAttribute("aria-pressed", "false");
    part("flip").hidden = true;
  }

  async flip() {
    this.facing = this.facing === "user" ? "environment" : "user";
    this.stopCamera();
    await this.startCamera();
  }

  // A new picture of the camera, or, where the server has not answered for long, the next try.
  nextPicture() {
    if (!this.stream) return;
    const again = () => this.nextPicture();
    const isStuck = performance.now() - this.sentAt > 1000 * SECONDS_WITHOUT_ANSWER;
    if (!this.isInFlight || isStuck) this.sendPicture();
    if (this.video.requestVideoFrameCallback) this.video.requestVideoFrameCallback(again);
    else setTimeout(again, 33);
  }

  sendPicture() {
    const { videoWidth, videoHeight } = this.video;
    if (!videoWidth) return;
    const scale = Math.min(1, this.width / videoWidth);
    this.canvas.width = Math.round(videoWidth * scale);
    this.canvas.height = Math.round(videoHeight * scale);
    const context = this.canvas.getContext("2d");
    if (this.mirror && this.facing === "user") context.setTransform(-1, 0, 0, 1, this.canvas.width, 0);
    context.drawImage(this.video, 0, 0, this.canvas.width, this.canvas.height);
    this.isInFlight = true;
    this.sentAt = performance.now();
    this.canvas.toBlob(
      (blob) => {
        if (blob && this.stream && this.socket.readyState === WebSocket.OPEN) this.socket.send(blob);
        else this.isInFlight = false;
      },
      "image/jpeg",
      QUALITY,
    );
  }

  // The server has taken the last picture, which is its frame of this number.
  taken(number) {
    document.dispatchEvent(new CustomEvent("deepvis-camera", { detail: { number, sentAt: this.sentAt } }));
    this.isInFlight = false;
  }

  // -- files -----------------------------------------------------------------------------------------------------

  async send(file) {
    if (!file) return;
    if (file.size > this.most) {
      notice(`${file.name} is larger than ${this.most >> 20} MiB`);
      return;
    }
    this.stopCamera();
    notice(`sending ${file.name} …`);
    try {
      const headers = { "x-viewer": this.viewer, "x-name": encodeURIComponent(file.name.slice(0, 80) || "copied") };
      if (this.token) headers["x-token"] = this.token;
      const answer = await fetch(this.url("upload"), { method: "POST", body: file, headers, credentials: "same-origin" });
      if (!answer.ok) throw new Error(await answer.text());
      part("source").value = String(this.own);
      notice("");
    } catch (error) {
      notice(`${file.name} was not taken: ${error.message}`);
    }
    part("stage").focus();
  }

  listenToDrops() {
    const stage = part("stage");
    const show = (visible) => (part("drop").hidden = !visible);
    document.addEventListener("dragover", (event) => {
      event.preventDefault();
      show(true);
    });
    document.addEventListener("dragleave", (event) => event.relatedTarget || show(false));
    document.addEventListener("drop", (event) => {
      event.preventDefault();
      show(false);
      this.send(event.dataTransfer.files[0]);
    });
    document.addEventListener("paste", (event) => {
      const item = [...event.clipboardData.files].find((each) => /^(image|video)\//.test(each.type));
      if (item) this.send(item);
    });
    stage.addEventListener("focus", () => show(false));
  }

  stop() {
    this.stopCamera();
  }
}
