// Draws the page's pictures with Plotly; every table stands without it.
"use strict";
(() => {
  const data = JSON.parse(document.getElementById("data").textContent);
  const designs = data.designs;
  const byKey = new Map(designs.map((design) => [design.key, design]));
  const narrow = matchMedia("(max-width: 600px)").matches;
  const coarse = matchMedia("(pointer: coarse)").matches;
  const SCORE = 0;
  const state = { x: Math.min(1, data.measures.length - 1), y: SCORE, near: false, key: "" };
  const POINTS = 0.05;

  const colour = (name) => getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
  const element = (id) => document.getElementById(id);
  const made = (tag, text, more = {}) => Object.assign(document.createElement(tag), { textContent: text }, more);
  const escaped = (text) => String(text).replaceAll("&", "&amp;").replaceAll("<", "&lt;");

  // Where this page lies, as a shell reads it.
  function folder() {
    if (location.protocol !== "file:") return "DIR";
    const path = decodeURIComponent(location.pathname).replace(/\/[^/]*$/, "") || "/";
    return /^[\w@%+=:,./-]+$/.test(path) ? path : `'${path.replaceAll("'", `'"'"'`)}'`;
  }

  function figure(measure, value) {
    if (value === null) return "-";
    if (measure.share) return `${(100 * value).toFixed(2)} %`;
    return value.toLocaleString("en", Number.isInteger(value) ? {} : { maximumSignificantDigits: 4 });
  }

  function between(design) {
    const measure = data.measures[SCORE];
    const seen = design.whole ? "" : `, ${design.samples} samples`;
    return `${figure(measure, design.low)} to ${figure(measure, design.high)}${seen}`;
  }

  function hover(design) {
    const words = design.label.match(/.{1,56}(?: |$)/g) || [design.label];
    const figures = data.measures.map((measure, at) => `${measure.title}: ${figure(measure, design.figures[at])}`);
    const marks = [
      design.uniform ? "uniform" : "mixed",
      `price of ${design.compiled ? "compile" : "the table"}`,
      ...(design.proved ? ["proved"] : []),
      ...(design.picked ? ["picked"] : []),
      ...(design.within ? [] : ["over the budget"]),
    ];
    const lines = [`<b>${design.key}</b>`, ...words.map(escaped), figures[SCORE], `between ${between(design)}`];
    return [...lines, ...figures.slice(1), marks.join(", ")].join("<br>");
  }

  // The designs that no other one beats in the two figures shown, from left to right.
  function frontOf(x, y) {
    const sign = (at) => (data.measures[at].more ? -1 : 1);
    const known = (design) => design.figures[x] !== null && design.figures[y] !== null;
    const fair = designs.filter((design) => design.whole && design.within && known(design));
    const loss = (design, at) => sign(at) * design.figures[at];
    fair.sort((a, b) => loss(a, x) - loss(b, x) || loss(a, y) - loss(b, y));
    const front = [];
    for (const design of fair) {
      if (!front.length || loss(design, y) < loss(front[front.length - 1], y)) front.push(design);
    }
    return sign(x) < 0 ? front.reverse() : front;
  }

  function symbol(design) {
    const shape = design.whole ? (design.uniform ? "square" : "circle") : "x-thin";
    return design.compiled ? shape : `${shape}-open`;
  }

  function marks(shown, look) {
    return {
      type: "scatter",
      mode: "markers",
      x: shown.map((design) => design.figures[state.x]),
      y: shown.map((design) => design.figures[state.y]),
      text: shown.map(hover),
      customdata: shown.map((design) => design.key),
      hovertemplate: "%{text}<extra></extra>",
      ...look,
    };
  }

  function bars(shown, at) {
    const value = (design) => design.figures[SCORE];
    if (at !== SCORE) return {};
    return {
      type: "data",
      array: shown.map((design) => design.high - value(design)),
      arrayminus: shown.map((design) => value(design) - design.low),
      thickness: 1,
      width: 0,
      color: colour("beside"),
    };
  }

  function axis(at) {
    const measure = data.measures[at];
    return { title: { text: escaped(measure.title) }, ...paper.axis, tickformat: measure.share ? ".4~p" : ",.7~g" };
  }

  const paper = {
    get axis() {
      return { gridcolor: colour("line"), zeroline: false, automargin: true, fixedrange: coarse };
    },
    get layout() {
      const text = getComputedStyle(document.body);
      return {
        paper_bgcolor: "rgba(0,0,0,0)",
        plot_bgcolor: "rgba(0,0,0,0)",
        font: { color: text.color, family: text.fontFamily, size: narrow ? 11 : 13 },
        margin: { l: narrow ? 48 : 64, r: 16, t: 16, b: 48 },
        showlegend: false,
        hovermode: "closest",
        hoverlabel: { align: "left" },
        dragmode: coarse ? false : "zoom",
      };
    },
    config: { responsive: true, displaylogo: false, displayModeBar: narrow ? false : "hover", modeBarButtonsToRemove: ["select2d", "lasso2d", "autoScale2d"] },
  };

  function lines(x, y, reference = data.float) {
    const shapes = [];
    const annotations = [];
    const add = (at, value, name, across) => {
      const ends = across ? { xref: "paper", x0: 0, x1: 1, y0: value, y1: value } : { yref: "paper", y0: 0, y1: 1, x0: value, x1: value };
      const place = across ? { xref: "paper", x: 0, y: value, xanchor: "left", yanchor: "bottom" } : { yref: "paper", y: 1, x: value, xanchor: "left", yanchor: "top" };
      shapes.push({ type: "line", ...ends, line: { color: colour("float"), dash: "dash", width: 1.5 } });
      annotations.push({ ...place, text: `${name} ${figure(data.measures[at], value)}`, showarrow: false, font: { color: colour("float") } });
    };
    for (const [at, across] of [[x, false], [y, true]].filter(([each]) => each !== null)) {
      if (at === SCORE && reference !== null) add(at, reference, "float", across);
      const limit = data.budget[data.measures[at].name];
      if (limit !== undefined) add(at, limit, "budget", across);
    }
    return { shapes, annotations };
  }

  // Of the designs on the front those that are good: within five points of the best, or the better half of them.
  function near() {
    const sign = data.measures[SCORE].more ? -1 : 1;
    const score = (design) => sign * design.figures[SCORE];
    const sorted = designs.filter((design) => design.front).sort((a, b) => score(a) - score(b));
    if (!data.measures[SCORE].share) return sorted.slice(0, Math.ceil(sorted.length / 2));
    return sorted.filter((design) => score(design) <= score(sorted[0]) + POINTS);
  }

  function closer(at, shown) {
    const values = shown.map((design) => design.figures[at]).filter((value) => value !== null);
    if (at === SCORE && data.float !== null) values.push(data.float);
    const [low, high] = [Math.min(...values), Math.max(...values)];
    const room = (high - low || Math.abs(high) || 1) * 0.08;
    return { range: [low - room, high + room] };
  }

  function drawFront() {
    const { x, y } = state;
    const front = frontOf(x, y);
    const good = designs.filter((design) => design.front);
    const rest = designs.filter((design) => !design.front);
    const tint = good.map((design) => colour(design.uniform ? "uniform" : "mixed"));
    const picked = designs.filter((design) => design.picked || design.key === state.key);
    const traces = [
      marks(rest, { marker: { symbol: rest.map(symbol), size: 6, color: colour("beside"), opacity: 0.6, line: { width: 1, color: colour("beside") } } }),
      {
        type: "scatter",
        mode: "lines",
        x: front.map((design) => design.figures[x]),
        y: front.map((design) => design.figures[y]),
        line: { shape: data.measures[x].more ? "vh" : "hv", color: colour("beside"), width: 1.5 },
        hoverinfo: "skip",
      },
      marks(good, {
        error_x: bars(good, x),
        error_y: bars(good, y),
        marker: { symbol: good.map(symbol), size: 10, color: tint, line: { width: 2, color: tint } },
      }),
      marks(picked, { marker: { symbol: picked.map((design) => (design.picked ? "star-diamond-open" : "circle-open")), size: 20, color: getComputedStyle(document.body).color, line: { width: 2 } }, hoverinfo: "skip", hovertemplate: null }),
    ];
    const shown = state.near ? near() : [];
    const range = (at) => (shown.length ? closer(at, shown) : { autorange: true });
    const layout = { ...paper.layout, xaxis: { ...axis(x), ...range(x) }, yaxis: { ...axis(y), ...range(y) } };
    Plotly.react("front", traces, { ...layout, ...lines(x, y) }, paper.config);
  }

  function drawHistory() {
    const last = data.history.length ? data.history[data.history.length - 1][1] || 1 : 1;
    const trace = {
      type: "scatter",
      mode: "lines",
      x: data.history.map(([count]) => count),
      y: data.history.map(([, worth]) => worth / last),
      line: { shape: "hv", color: colour("mixed") },
      hovertemplate: "%{x} designs: %{y:.2%}<extra></extra>",
    };
    const yaxis = { ...paper.axis, title: { text: "hypervolume" }, tickformat: ".0%" };
    Plotly.react("history", [trace], { ...paper.layout, xaxis: { ...paper.axis, title: { text: "designs" } }, yaxis }, paper.config);
  }

  function drawCurves() {
    const symbols = ["circle", "square", "diamond", "cross", "x", "triangle-up", "triangle-down", "star"];
    const dashes = ["solid", "dash", "dot", "dashdot"];
    const colours = ["#0072b2", "#d55e00", "#009e73", "#cc79a7", "#e69f00", "#56b4e9"];
    const measure = data.measures[SCORE];
    const traces = data.curves.map((curve, at) => ({
      type: "scatter",
      mode: "lines+markers",
      name: escaped(curve.axis),
      x: curve.values,
      y: curve.scores,
      connectgaps: true,
      text: curve.scores.map((score, each) => `${escaped(curve.axis)} ${escaped(curve.values[each])}<br>${figure(measure, score)}`),
      hovertemplate: "%{text}<extra></extra>",
      line: { color: colours[at % colours.length], dash: dashes[Math.floor(at / colours.length) % dashes.length], width: 1.5 },
      marker: { symbol: symbols[at % symbols.length], size: 7 },
    }));
    const named = { showlegend: !narrow, legend: { orientation: "h", y: -0.12, font: { size: 11 } } };
    Plotly.react("curves", traces, { ...paper.layout, ...named, xaxis: { ...paper.axis }, yaxis: axis(SCORE), ...lines(null, SCORE, data.sensed) }, paper.config);
  }

  function copied(code, button) {
    const range = document.createRange();
    range.selectNodeContents(code);
    getSelection().removeAllRanges();
    getSelection().addRange(range);
    const done = () => { button.textContent = "copied"; };
    if (navigator.clipboard) navigator.clipboard.writeText(code.textContent).then(done, () => document.execCommand("copy") && done());
    else if (document.execCommand("copy")) done();
  }

  function choose(key) {
    state.key = byKey.has(key) ? key : "";
    document.querySelectorAll("[data-key]").forEach((each) => each.classList.toggle("selected", state.key !== "" && each.dataset.key === state.key));
    const panel = element("chosen");
    panel.hidden = state.key === "";
    panel.replaceChildren();
    history.replaceState(null, "", state.key ? `#${state.key}` : location.pathname + location.search);
    drawFront();
    if (panel.hidden) return;
    const design = byKey.get(state.key);
    const code = made("code", `bitwright explore ${folder()} --pick ${design.key} -o OUT`);
    const copy = made("button", "copy", { type: "button" });
    copy.addEventListener("click", () => copied(code, copy));
    const close = made("button", "close", { type: "button", className: "close" });
    close.addEventListener("click", () => choose(""));
    const line = made("p", "");
    line.append(code, " ", copy);
    const figures = data.measures.map((measure, at) => `${measure.title} ${figure(measure, design.figures[at])}${at === SCORE ? ` (${between(design)})` : ""}`);
    const more = made("details", "");
    const values = made("div", "", { className: "values" });
    values.append(...data.axes.map((name, at) => made("span", `${name} ${design.values[at]}`)));
    more.append(made("summary", design.label), values);
    panel.append(close, made("h3", design.key), line, made("p", `${figures.join(", ")}; price of ${design.compiled ? "compile" : "the table"}`), more);
  }

  function controls() {
    const bar = element("controls");
    const buttons = data.measures.map((measure, at) => {
      const button = made("button", measure.title, { type: "button", title: measure.of });
      button.addEventListener("click", () => { state.x = at; update(); });
      return button;
    });
    const select = made("select", "", { ariaLabel: "vertical axis" });
    select.append(...data.measures.map((measure, at) => made("option", measure.title, { value: at })));
    select.addEventListener("change", () => { state.y = Number(select.value); update(); });
    const update = () => {
      if (state.x === state.y && data.measures.length > 1) state.x = state.y === SCORE ? 1 : SCORE;
      buttons.forEach((button, at) => {
        button.hidden = at === state.y;
        button.setAttribute("aria-pressed", at === state.x);
      });
      drawFront();
    };
    const close = made("button", "close-up", { type: "button", title: "the best designs alone" });
    close.setAttribute("aria-pressed", false);
    close.addEventListener("click", () => {
      state.near = !state.near;
      close.setAttribute("aria-pressed", state.near);
      drawFront();
    });
    bar.append(select, made("span", "over"), ...buttons, made("span", ""), close);
    bar.hidden = false;
    update();
  }

  function drawAll() {
    drawFront();
    if (element("history")) drawHistory();
    if (element("curves")) drawCurves();
  }

  element("still").hidden = true;
  document.querySelectorAll(".plot").forEach((each) => { each.hidden = false; });
  controls();
  drawAll();
  element("front").on("plotly_click", (event) => {
    const key = event.points.map((point) => point.customdata).find((each) => each);
    if (key) choose(key);
  });
  document.addEventListener("click", (event) => {
    const found = event.target.closest("[data-key]");
    if (found) choose(found.dataset.key);
  });
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") choose(""); });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", drawAll);
  if (location.hash.length > 1) choose(location.hash.slice(1));
  document.documentElement.dataset.drawn = "yes";
})();
