// The demo city: draws what the stream /dev/city says. One <use> per vehicle, moved, never redrawn.
"use strict";
const map = document.getElementById("map");
const layer = document.getElementById("vehicles");
const state = document.getElementById("state");
const drawn = new Map();
const time = new Intl.DateTimeFormat(map.dataset.locale, { timeStyle: "medium" });

function draw(city) {
  const counts = Object.fromEntries(city.statuses.map((name) => [name, 0]));
  const gone = new Set(drawn.keys());
  city.id.forEach((id, i) => {
    const status = city.statuses[city.status[i]];
    counts[status] += 1;
    gone.delete(id);
    let mark = drawn.get(id);
    if (!mark) {
      mark = document.createElementNS("http://www.w3.org/2000/svg", "use");
      mark.append(document.createElementNS("http://www.w3.org/2000/svg", "title"));
      drawn.set(id, mark);
      layer.append(mark);
    }
    if (mark.getAttribute("class") !== status) {
      mark.setAttribute("class", status);
      mark.setAttribute("href", `#${status}`);
    }
    mark.style.transform = `translate(${city.x[i]}px, ${city.y[i]}px)`;
    const charge = city.battery[i] === null ? "" : ` · ${city.battery[i]} %`;
    mark.firstChild.textContent = `${id} · ${city.types[city.type[i]]}${charge}`;
  });
  for (const id of gone) {
    drawn.get(id).remove();
    drawn.delete(id);
  }
  for (const [name, count] of Object.entries(counts)) {
    document.querySelector(`[data-status="${name}"]`).textContent = count;
  }
}

const source = new EventSource("/dev/city");
source.addEventListener("city", (event) => {
  draw(JSON.parse(event.data));
  state.textContent = `${map.dataset.at} ${time.format(new Date())}`;
});
source.addEventListener("error", () => { state.textContent = map.dataset.lost; });
