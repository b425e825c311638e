// The search of this site runs in a worker, which browsers refuse to a page that is opened from a disk
// (file://). There a hidden frame takes its place: the worker's script runs in it, and the two exchange messages.
class IFrameWorker extends EventTarget {
  constructor(address) {
    super();
    this.waiting = [];
    this.frame = document.createElement("iframe");
    this.frame.hidden = true;
    this.frame.srcdoc = `<script>
      var importScripts = (...addresses) => addresses.reduce((before, address) => before.then(() =>
        new Promise((resolve, reject) => {
          const script = document.createElement("script");
          Object.assign(script, {src: address, onload: resolve, onerror: reject});
          document.head.append(script);
        })), Promise.resolve());
      var postMessage = message => parent.IFrameWorker.answer(window, message);
      <\/script><script src="${address}"><\/script>`;
    IFrameWorker.workers.push(this);
    this.frame.addEventListener("load", () => {
      const messages = this.waiting;
      this.waiting = null;
      messages.forEach(message => this.postMessage(message));
    });
    document.body.append(this.frame);
  }

  static workers = [];

  static answer(frame, data) {
    const worker = IFrameWorker.workers.find(each => each.frame.contentWindow === frame);
    const event = new MessageEvent("message", {data});
    worker.dispatchEvent(event);
    worker.onmessage?.(event);
  }

  postMessage(data) {
    if (this.waiting) this.waiting.push(data);
    else this.frame.contentWindow.dispatchEvent(new MessageEvent("message", {data}));
  }

  terminate() {
    this.frame.remove();
  }
}

if (location.protocol === "file:") {
  window.IFrameWorker = IFrameWorker;
  window.Worker = IFrameWorker;
}
