"use strict";

// Plays the job that the address names, while it is made: the playlist grows, and so does what can be seen.

const job = location.pathname.split("/").pop();
const address = `/api/v1/jobs/${encodeURIComponent(job)}`;
const video = document.getElementById("video");
const ENDED = new Set(["completed", "failed", "cancelled", "deleted"]);
const UNKNOWN_JOB = 4404;
const AGAIN_MS = 2000;

let playing = "";
let player = null;
let ended = false;

function say(id, text) {
  const element = document.getElementById(id);
  element.textContent = text;
  element.hidden = !text;
}

function show(status) {
  ended = ENDED.has(status.state);
  const title = status.title || status.source_url || job;
  document.title = `${title} – Cinelog`;
  say("title", title);
  document.getElementById("progress").value = status.fraction;
  say("state", `${status.state}, ${Math.round(100 * status.fraction)} %`);
  say("error", status.error ? `${status.error.message} ${status.error.action}` : "");
  list(status.outputs);
  const file = status.outputs.find((output) => ["mp4", "webm", "audio"].includes(output.kind) && output.url);
  if (status.links.playlist) {
    play(status.links.playlist, playHls, status.links.files);
  } else if (status.state === "completed" && file) {
    play(file.url, (url) => { video.src = url; }, status.links.files);
  }
}

function list(outputs) {
  const items = outputs.filter((output) => output.url).map((output) => {
    const link = document.createElement("a");
    link.href = output.kind === "hls" ? output.url : `${output.url}?download`;
    link.textContent = `${output.kind}, ${(output.size_bytes / 1e6).toFixed(1)} MB`;
    const item = document.createElement("li");
    item.append(link);
    return item;
  });
  document.getElementById("outputs").replaceChildren(...items);
}

// The folder of files names the run: within a run the first playlist is kept, another run begins anew.
function play(url, start, run) {
  if (playing === run) return;
  playing = run;
  if (player) player.destroy();
  player = null;
  start(url);
}

function playHls(url) {
  if (!window.Hls || !Hls.isSupported()) {
    video.src = url;
    return;
  }
  // From the beginning: this is a film that is being made, not a broadcast.
  player = new Hls({ startPosition: 0, backBufferLength: 60, manifestLoadPolicy: patient(), playlistLoadPolicy: patient() });
  player.on(Hls.Events.ERROR, (_, data) => {
    if (!data.fatal) return;
    if (data.type === Hls.ErrorTypes.NETWORK_ERROR) player.startLoad();
    else if (data.type === Hls.ErrorTypes.MEDIA_ERROR) player.recoverMediaError();
    else say("error", `This cannot be played here: ${data.details}.`);
  });
  player.loadSource(url);
  player.attachMedia(video);
}

function patient() {
  const retry = { maxNumRetry: 10, retryDelayMs: 1000, maxRetryDelayMs: 8000 };
  return {
    default: { maxTimeToFirstByteMs: 10000, maxLoadTimeMs: 20000, timeoutRetry: retry, errorRetry: retry },
  };
}

function follow() {
  const scheme = location.protocol === "https:" ? "wss:" : "ws:";
  const socket = new WebSocket(`${scheme}//${location.host}${address}/events`);
  socket.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.type === "status") show(message);
  };
  socket.onclose = (event) => {
    if (event.code === UNKNOWN_JOB) say("state", "There is no such job.");
    else if (!ended) setTimeout(follow, AGAIN_MS);
  };
}

follow();
