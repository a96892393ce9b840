"use strict";
(() => {
  const root = document.documentElement;
  const data = JSON.parse(document.getElementById("data").textContent);
  root.classList.add("scripted");
  const find = (selector, from = document) => from.querySelector(selector);
  const all = (selector, from = document) => [...from.querySelectorAll(selector)];
  const made = (name, text) => Object.assign(document.createElement(name), text === undefined ? {} : { textContent: text });

  // Theme: the system's, until somebody chooses. A page opened from a file may have no storage.
  const stored = { get() { try { return localStorage.getItem("theme"); } catch { return null; } },
    set(value) { try { localStorage.setItem("theme", value); } catch { /* the choice lasts as long as the page */ } } };
  const system = matchMedia("(prefers-color-scheme: dark)");
  const theme = find("#theme");
  const shown = () => {
    const chosen = root.dataset.theme;
    const dark = chosen ? chosen === "dark" : system.matches;
    theme.setAttribute("aria-pressed", String(dark));
  };
  if (["light", "dark"].includes(stored.get())) root.dataset.theme = stored.get();
  system.addEventListener("change", shown);
  theme.addEventListener("click", () => {
    root.dataset.theme = theme.getAttribute("aria-pressed") === "true" ? "light" : "dark";
    stored.set(root.dataset.theme);
    shown();
  });
  shown();

  // How long ago something was, seen from the moment of reading.
  const ago = (seconds) => {
    const [size, unit] = seconds < 5400 ? [60, "minute"] : seconds < 129600 ? [3600, "hour"] : [86400, "day"];
    const amount = Math.round(seconds / size);
    return `${amount} ${unit}${amount === 1 ? "" : "s"} ago`;
  };
  for (const element of all("[data-age]")) {
    const seconds = (Date.now() - Date.parse(element.dataset.age)) / 1000;
    if (seconds > 0) element.textContent = `${element.dataset.lead ?? ", ended "}${ago(seconds)}`;
  }
  for (const element of all("[data-due-note]")) element.hidden = Date.now() <= Date.parse(element.dataset.dueNote);

  // Numbers on demand: 200 features x 90 windows would be a heavy table for everybody who does not ask.
  const number = (value, unit) => {
    if (value === null || value === undefined) return "–";
    if (unit === "share") return `${+(100 * value).toPrecision(3)} %`;
    if (unit === "found or not") return value ? "found" : "none";
    const suffix = ["ms", "s", "per second"].includes(unit) ? ` ${unit}` : "";
    return (Math.abs(value) >= 1000 ? Math.round(value).toLocaleString("en").replaceAll(",", "\u2009") : String(+value.toPrecision(3))) + suffix;
  };
  const at = (list, i) => (Array.isArray(list) ? list[i] : list);
  const filled = (headings, rows, caption) => {
    const table = made("table");
    table.append(made("caption", caption));
    const head = table.createTHead().insertRow();
    headings.forEach((heading, i) => {
      const cell = made("th", heading);
      cell.scope = "col";
      cell.className = i ? "number" : "";
      head.append(cell);
    });
    const body = table.createTBody();
    for (const row of rows) {
      const line = body.insertRow();
      row.forEach((text, i) => {
        const cell = made(i ? "td" : "th", text);
        if (i) cell.className = "number"; else cell.scope = "row";
        line.append(cell);
      });
    }
    return table;
  };
  const seriesTable = (series, caption) => {
    const headings = ["window", series.name, "threshold"];
    if (series.low) headings.push("95 % interval");
    if (series.evidence) headings.push("q");
    headings.push("state");
    const rows = data.windows.map((window, i) => {
      const row = [window, number(series.value[i], series.unit), number(at(series.threshold, i), series.unit)];
      if (series.low) row.push(series.low[i] === null ? "–" : `${number(series.low[i], series.unit)} to ${number(series.high[i], series.unit)}`);
      if (series.evidence) row.push(number(series.evidence[i], ""));
      row.push(data.words[series.levels[i]]);
      return row;
    });
    return filled(headings, rows.reverse(), caption);
  };
  for (const details of all("details[data-series]")) {
    details.addEventListener("toggle", () => {
      if (!details.open || find("table", details)) return;
      const caption = find("summary", details).textContent;
      const shape = data.shapes[details.dataset.series];
      const table = shape
        ? filled(["values", "then", "now"], shape.map(([label, then, now]) => [label, number(then, "share"), number(now, "share")]), caption)
        : seriesTable(data.series[details.dataset.series], caption);
      const scroll = made("div");
      scroll.className = "scroll";
      scroll.tabIndex = 0;
      scroll.append(table);
      details.append(scroll);
    });
  }

  // Paper cannot be clicked: what is folded away is printed, except the long tables of numbers.
  const folded = all("details[data-print]");
  const before = new Map();
  addEventListener("beforeprint", () => folded.forEach((one) => { before.set(one, one.open); one.open = true; }));
  addEventListener("afterprint", () => folded.forEach((one) => { one.open = before.get(one); }));

  // The heat map reads itself out: under the pointer, or with the arrow keys (one stop in the order of focus).
  const readout = find("#readout");
  const rows = all("#heat tr[data-feature]");
  const strips = rows.map((row) => find("svg.strip", row)).filter(Boolean);
  let current = data.windows.length - 1;
  const told = (row, i) => {
    const feature = data.features[row.dataset.feature];
    const series = data.series[feature.series];
    const words = [feature.name, data.windows[i]].filter(Boolean).join(", ");
    const value = series ? ` · ${series.name} ${number(series.value[i], series.unit)}` : "";
    const bound = series && at(series.threshold, i) !== null ? `, threshold ${number(at(series.threshold, i), series.unit)}` : "";
    return `${words}: ${data.words[feature.levels[i]]}${value}${bound}`;
  };
  const point = (strip, i) => {
    const row = strip.closest("tr");
    current = Math.max(0, Math.min(data.windows.length - 1, i));
    readout.textContent = told(row, current);
    strip.setAttribute("aria-valuenow", String(current + 1));
    strip.setAttribute("aria-valuetext", readout.textContent);
  };
  strips.forEach((strip, position) => {
    const told = { role: "slider", "aria-valuemin": "1", "aria-valuemax": String(data.windows.length),
      "aria-valuenow": String(data.windows.length), "aria-valuetext": strip.getAttribute("aria-label") };
    for (const [name, value] of Object.entries(told)) strip.setAttribute(name, value);
    strip.setAttribute("aria-label", data.features[strip.closest("tr").dataset.feature].name);
    strip.tabIndex = position ? -1 : 0;
  });
  const heat = find("#heat");
  heat?.addEventListener("pointermove", (event) => {
    const strip = event.target.closest("tr[data-feature] svg.strip");
    if (!strip) return;
    const box = strip.getBoundingClientRect();
    point(strip, Math.floor(((event.clientX - box.left) / box.width) * data.windows.length));
  });
  heat?.addEventListener("focusin", (event) => {
    const strip = event.target.closest("svg.strip");
    if (strip) point(strip, current);
  });
  heat?.addEventListener("keydown", (event) => {
    const strip = event.target.closest("svg.strip");
    if (!strip) return;
    const visible = strips.filter((one) => !one.closest("tr").hidden);
    const across = { ArrowLeft: current - 1, ArrowRight: current + 1, Home: 0, End: data.windows.length - 1 }[event.key];
    const down = { ArrowUp: -1, ArrowDown: 1 }[event.key];
    if (across !== undefined) point(strip, across);
    else if (down) {
      const next = visible[visible.indexOf(strip) + down];
      if (next) { strip.tabIndex = -1; next.tabIndex = 0; next.focus(); }
    } else if (event.key === "Enter") location.hash = strip.closest("tr").dataset.feature;
    else return;
    event.preventDefault();
  });

  // Filtering keeps the one tab stop on a row that is there.
  const filter = find("#filter");
  const trouble = find("#trouble");
  const sifted = () => {
    const wanted = filter.value.trim().toLowerCase();
    const only = trouble.getAttribute("aria-pressed") === "true";
    for (const row of rows) {
      row.hidden = (only && !("finding" in row.dataset)) || !data.features[row.dataset.feature].name.toLowerCase().includes(wanted);
    }
    const first = strips.find((strip) => !strip.closest("tr").hidden);
    for (const strip of strips) strip.tabIndex = strip === first ? 0 : -1;
    readout.textContent = `${rows.filter((row) => !row.hidden).length} of ${rows.length} features`;
  };
  filter?.addEventListener("input", sifted);
  trouble?.addEventListener("click", () => {
    trouble.setAttribute("aria-pressed", String(trouble.getAttribute("aria-pressed") !== "true"));
    sifted();
  });
})();
