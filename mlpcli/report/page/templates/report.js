"use strict";
// Shows the values of a chart under the pointer, and by the arrow keys where the chart has the focus.
for (const chart of document.querySelectorAll(".chart")) {
  const svg = chart.querySelector("svg");
  const legend = chart.querySelector(".legend");
  const cursor = chart.querySelector(".cursor");
  const still = legend.innerHTML;
  const lines = JSON.parse(chart.querySelector("script").textContent).lines;
  const epochs = [...new Set(lines.flatMap((line) => line.points.map((point) => point[2])))].sort((a, b) => a - b);
  const at = new Map();
  for (const line of lines) for (const point of line.points) at.set(line.name + " " + point[2], point);
  let current = -1;

  function show(index) {
    current = Math.max(0, Math.min(epochs.length - 1, index));
    const epoch = epochs[current];
    let x = null;
    const words = ["epoch " + epoch];
    for (const line of lines) {
      const point = at.get(line.name + " " + epoch);
      const dot = chart.querySelector("circle." + line.kind);
      dot.style.visibility = point ? "visible" : "hidden";
      if (!point) continue;
      x = point[0];
      dot.setAttribute("cx", point[0]);
      dot.setAttribute("cy", point[1]);
      words.push(line.name + " " + point[3]);
    }
    cursor.setAttribute("x1", x);
    cursor.setAttribute("x2", x);
    cursor.style.visibility = "visible";
    legend.replaceChildren(...words.map((word, place) => {
      const span = document.createElement("span");
      span.textContent = word;
      if (place > 0) span.className = lines.find((line) => word.startsWith(line.name + " ")).kind;
      return span;
    }));
  }

  function hide() {
    current = -1;
    cursor.style.visibility = "hidden";
    for (const dot of chart.querySelectorAll("circle")) dot.style.visibility = "hidden";
    legend.innerHTML = still;
  }

  function nearest(event) {
    const box = svg.getBoundingClientRect();
    const x = (event.clientX - box.left) / box.width * svg.viewBox.baseVal.width;
    const points = lines.reduce((most, line) => line.points.length > most.length ? line.points : most, []);
    let best = points[0];
    for (const point of points) if (Math.abs(point[0] - x) < Math.abs(best[0] - x)) best = point;
    return epochs.indexOf(best[2]);
  }

  svg.addEventListener("pointermove", (event) => show(nearest(event)));
  svg.addEventListener("pointerdown", (event) => show(nearest(event)));
  svg.addEventListener("pointerleave", hide);
  svg.addEventListener("focus", () => show(current < 0 ? epochs.length - 1 : current));
  svg.addEventListener("blur", hide);
  svg.addEventListener("keydown", (event) => {
    const moves = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: epochs.length - 1 };
    if (!(event.key in moves)) return;
    event.preventDefault();
    show(moves[event.key]);
  });
}
