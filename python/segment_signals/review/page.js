// Adds to a page that already reads: choice of dimension, segment, period and evidence, sorting, copying, keys.
// Cells are redrawn from the one copy of the data; cellView, percent and dotSvg write what page.py writes.
"use strict";
(() => {
  const D = JSON.parse(document.getElementById("data").textContent);
  const NB = "\u00a0";
  const $ = (selector, root = document) => root.querySelector(selector);
  const $$ = (selector, root = document) => Array.from(root.querySelectorAll(selector));
  const names = ["dimension", "segment", "period", "evidence"];
  const picks = Object.fromEntries(names.map((name) => [name, $(`#pick-${name}`)]));
  const state = { dimension: "", segment: "", period: "", evidence: "" };

  // ---- numbers, as words.py writes them
  const count = (value) => value.toLocaleString("en-US");
  function percent(millionths, decimals) {
    const step = 10 ** (4 - decimals);
    const scaled = Math.floor((millionths + Math.floor(step / 2)) / step);
    const whole = Math.floor(scaled / 10 ** decimals);
    if (!decimals || whole >= 100) return `${whole}`;
    return `${whole}.${String(scaled % 10 ** decimals).padStart(decimals, "0")}`;
  }
  const seen = (millionths, decimals) => percent(millionths, millionths >= 99950 && decimals > 1 ? 1 : decimals);
  const place = (value, top) => Math.floor(Math.min(Math.max(value / top, 0), 1) * 10000 + 0.5) / 100;
  const esc = (text) => String(text).replace(/[&<>"']/g, (char) => `&#${char.charCodeAt(0)};`);
  const evidenceOf = (cell) => D.evidence[Math.floor(cell[1] / 16)];
  const reasonOf = (cell) => D.reasons[cell[1] % 16];
  const published = (cell) => cell && cell.length > 2;

  function cellView(cell, decimals, top) {
    if (!cell) return { css: "na", text: "·", title: "no record" };
    const [short, sentence, code] = reasonOf(cell);
    if (code === "not_applicable") {
      return { css: "na", text: short, title: sentence[0].toUpperCase() + sentence.slice(1) };
    }
    if (!published(cell)) return { css: "sup", text: short, title: `held back: ${sentence}; n ${count(cell[0])}` };
    const [n, , , , , rate, low, high] = cell;
    const interval = low === null || high === null ? "no interval" : `${percent(low, 2)} to ${percent(high, 2)} %`;
    const title = `${percent(rate, 2)} % (${interval}), n ${count(n)}, ${evidenceOf(cell)}`;
    const text = seen(rate, decimals);
    if (evidenceOf(cell) === "directional") {
      return { css: "dir", text: `○${NB}${text}`, title: `${title}: ${sentence}` };
    }
    return { css: top ? `q${Math.min(8, Math.floor((rate / top) * 9))}` : "plain", text, title };
  }
  const heatCell = (cell, step) => {
    const view = cellView(cell, step.decimals, step.top);
    return `<td class="h ${view.css}" title="${esc(view.title)}">${esc(view.text)}</td>`;
  };

  function dotSvg(cell, population, top, title) {
    let svg = `<svg class="dot" role="img" aria-label="${esc(title)}">`;
    if (!published(cell)) svg += '<rect x="0" y="25%" width="100%" height="50%" fill="url(#hatch)"/>';
    if (population !== null) {
      const at = place(population, top);
      svg += `<line class="pop" x1="${at}%" x2="${at}%" y1="0" y2="100%"/>`;
    }
    if (published(cell)) {
      const css = evidenceOf(cell) === "directional" ? "hollow" : "solid";
      if (cell[6] !== null && cell[7] !== null) {
        const [low, high] = [place(cell[6], top), place(cell[7], top)];
        svg += `<line class="iv ${css}" x1="${low}%" x2="${high}%" y1="50%" y2="50%"/>`;
        if (cell[7] > top) svg += '<text class="off" x="100%" y="50%" dy=".35em">›</text>';
      }
      svg += `<circle class="${css}" cx="${place(cell[5], top)}%" cy="50%" r="4"/>`;
    }
    return `${svg}</svg>`;
  }

  // ---- choosing
  const dimensionAt = (code) => D.dimensions.findIndex((item) => item.code === code);
  const periodAt = (key) => D.periods.findIndex((item) => item[0] === key);
  const periodOf = (step) => (state.period === "" ? D.steps[step].latest : periodAt(state.period));
  const cellAt = (d, s, step, p) => (p < 0 ? null : D.dimensions[d].cells[s][step][p]);
  const option = ([value, label]) => `<option value="${esc(value)}">${esc(label)}</option>`;
  const options = (list) => list.map(option).join("");

  function fillSegments() {
    const d = dimensionAt(state.dimension);
    const list = d > 0 ? D.dimensions[d].segments.map((name) => [name, name]) : [];
    picks.segment.innerHTML = options([["", d > 0 ? "none" : "choose a dimension first"], ...list]);
    picks.segment.disabled = d <= 0;
  }

  // Rows of a table with what they show: [dimension, segment], the total at [0, 0].
  function rows(block, d) {
    const which = (row) => [d, D.dimensions[d].segments.indexOf(row.dataset.segment)];
    return $$("tbody tr", block).map((row) => [row, row.classList.contains("all") ? [0, 0] : which(row)]);
  }

  // A row of the table behind a heatmap.
  function behindRow(name, segment, i, cell) {
    const whole = (value) => (value === null ? "" : count(value));
    const rate = (value) => (value === null ? "" : percent(value, 2));
    const numbers = published(cell)
      ? [...cell.slice(2, 5).map(whole), ...cell.slice(5, 8).map(rate), cell[8] === null ? "" : cell[8].toFixed(1)]
      : Array(7).fill("");
    const level = evidenceOf(cell);
    return `<tr data-segment="${esc(segment)}" data-evidence="${level}"><td>${esc(name)}</td>` +
      `<td>${esc(D.steps[i].label)}</td><td>${D.periods[periodOf(i)][1]}</td><td class="num">${count(cell[0])}</td>` +
      `${numbers.map((text) => `<td class="num">${text}</td>`).join("")}<td>${level}</td>` +
      `<td>${cell[1] % 16 ? esc(reasonOf(cell)[0]) : ""}</td></tr>`;
  }

  function drawHeat(block) {
    const d = dimensionAt(block.dataset.dimension);
    const table = $("table.heat", block);
    $$("thead .when", table).forEach((label, i) => {
      label.textContent = periodOf(i) < 0 ? "none yet" : D.periods[periodOf(i)][1];
    });
    let behind = "";
    for (const [row, [dim, seg]] of rows(table, d)) {
      const cells = D.steps.map((step, i) => cellAt(dim, seg, i, periodOf(i)));
      $$("td", row).forEach((cell) => cell.remove());
      row.insertAdjacentHTML("beforeend", cells.map((cell, i) => heatCell(cell, D.steps[i])).join(""));
      const name = dim === 0 ? "All" : D.dimensions[dim].segments[seg];
      behind += cells.map((cell, i) => (cell ? behindRow(name, row.dataset.segment, i, cell) : "")).join("");
    }
    const body = $("table.long tbody", block);
    if (body) body.innerHTML = behind;
  }

  function drawDots(block) {
    const d = dimensionAt(block.dataset.dimension);
    const stepAt = D.dimensions[d].dotStep;
    const step = D.steps[stepAt];
    const p = periodOf(stepAt);
    const total = cellAt(0, 0, stepAt, p);
    const population = published(total) ? total[5] : null;
    const decimals = step.decimals;
    const body = $("tbody", block);
    const made = [];
    for (const [row, [dim, seg]] of rows(block, d)) {
      const cell = cellAt(dim, seg, stepAt, p);
      row.hidden = !cell;
      if (!cell) { made.push([row, null]); continue; }
      const view = cellView(cell, decimals, 0);
      const level = evidenceOf(cell);
      const css = reasonOf(cell)[2] === "not_applicable" ? "na" : level;
      const move = p < 0 ? 0 : dim ? D.dimensions[d].changes[seg][p] : step.changes[p];
      const signs = { up: "▲", down: "▼", flat: "◇", none: "" };
      const isOut = published(cell);
      const interval = isOut && cell[6] !== null && cell[7] !== null
        ? `${seen(cell[6], decimals)} to ${seen(cell[7], decimals)}` : "";
      const change = move && isOut
        ? `<span class="${move[2]}"><span aria-hidden="true">${signs[move[2]]}</span> ${esc(move[0])}</span>` : "";
      row.dataset.evidence = level;
      $$("td", row).forEach((item) => item.remove());
      row.insertAdjacentHTML("beforeend",
        `<td class="num">${count(cell[0])}</td>` +
        `<td class="plot" title="${esc(view.title)}">${dotSvg(cell, population, step.dotTop, view.title)}</td>` +
        `<td class="num ${css}" title="${esc(view.title)}">${isOut ? seen(cell[5], decimals) : esc(view.text)}</td>` +
        `<td class="num">${interval}</td>` +
        `<td class="num move" title="${move ? move[1] : ""}">${change}</td>`);
      made.push([row, cell]);
    }
    // The total first, then by value, then what is held back by size: the order of the printed page.
    const key = ([row, cell]) => {
      const rank = [row.classList.contains("all") ? 0 : 1, published(cell) ? 0 : 1];
      return [...rank, published(cell) ? -cell[5] : 0, cell ? -cell[0] : 0];
    };
    made.sort((a, b) => {
      const [x, y] = [key(a), key(b)];
      const i = x.findIndex((value, at) => value !== y[at]);
      if (i >= 0) return x[i] - y[i];
      return a[0].dataset.segment < b[0].dataset.segment ? -1 : 1;
    });
    made.forEach(([row]) => body.append(row));
    $$("th[aria-sort]", block).forEach((head) => head.removeAttribute("aria-sort"));
    $(".shown-period", block).textContent = p < 0 ? "no period" : D.periods[p][1];
  }

  function drawSheet() {
    const sheet = $("#sheet");
    const d = dimensionAt(state.dimension);
    const s = d > 0 ? D.dimensions[d].segments.indexOf(state.segment) : -1;
    sheet.hidden = s < 0;
    if (s < 0) { sheet.textContent = ""; return; }
    const grain = D.periods.some((item) => item[2] === "quarter") ? "quarter" : "month";
    const shown = D.periods.map((item, at) => [item, at]).filter(([item]) => item[2] === grain);
    const applies = (at) => shown.some(([, p]) => {
      const cell = cellAt(d, s, at, p);
      return cell && reasonOf(cell)[2] !== "not_applicable";
    });
    const steps = D.steps.map((step, at) => [step, at]).filter(([, at]) => applies(at));
    const pair = (step, at, p) => {
      const all = cellView(cellAt(0, 0, at, p), step.decimals, 0);
      return `${heatCell(cellAt(d, s, at, p), step)}<td class="ref" title="${esc(all.title)}">${esc(all.text)}</td>`;
    };
    const line = ([item, p]) =>
      `<tr><th scope="row">${item[1]}</th>${steps.map(([step, at]) => pair(step, at, p)).join("")}</tr>`;
    sheet.innerHTML =
      `<h3>${esc(state.segment)} (${esc(D.dimensions[d].label)}) by ${grain} of entry, % within ${D.horizon} days; ` +
      `beside it the whole population</h3>` +
      `<div class="scroll" tabindex="0" role="region" aria-label="Chosen segment by ${grain}"><table class="heat"><thead>` +
      `<tr><th scope="col">${grain[0].toUpperCase() + grain.slice(1)}</th>` +
      `${steps.map(([step]) => `<th scope="col" colspan="2">${esc(step.label)}</th>`).join("")}</tr></thead>` +
      `<tbody>${shown.map(line).join("")}</tbody></table></div>`;
  }

  let drawn = "";
  function apply() {
    Object.entries(picks).forEach(([name, select]) => { select.value = state[name]; });
    document.body.dataset.evidence = state.evidence;
    const isChosen = (code) => state.dimension === "" || state.dimension === code;
    $$("[data-dimension]").forEach((block) => block.classList.toggle("hidden", !isChosen(block.dataset.dimension)));
    $$(".column").forEach((column) => {
      column.hidden = $$("article", column).every((block) => block.classList.contains("hidden"));
    });
    if (drawn !== state.period) {
      const p = periodAt(state.period);
      $$(".block.heat").forEach(drawHeat);
      $$(".block.dots").forEach(drawDots);
      $$(".block > .finding").forEach((note) => {
        note.dataset.latest ??= note.textContent;
        const block = note.parentElement;
        const notes = D.dimensions[dimensionAt(block.dataset.dimension)].notes;
        note.textContent = p < 0 ? note.dataset.latest : notes[p][block.classList.contains("heat") ? 0 : 1];
      });
      const caption = $("#funnel > .measure .shown-period");
      caption.dataset.latest ??= caption.textContent;
      caption.textContent = p < 0 ? caption.dataset.latest : D.periods[p][1];
      drawn = state.period;
    }
    $$("tr[data-segment]").forEach((row) => {
      const block = row.closest("[data-dimension]");
      const isHere = block !== null && block.dataset.dimension === state.dimension;
      row.classList.toggle("chosen", state.segment !== "" && isHere && row.dataset.segment === state.segment);
    });
    drawSheet();
  }

  // ---- the address keeps the choice
  function read() {
    const hash = location.hash.slice(1);
    if (hash !== "" && !hash.includes("=")) return; // a link to a definition: the choice stays
    const said = new URLSearchParams(hash);
    const d = dimensionAt(said.get("dimension") ?? "");
    state.dimension = d > 0 ? D.dimensions[d].code : "";
    const known = (name, list) => (list.includes(said.get(name)) ? said.get(name) : "");
    state.segment = known("segment", d > 0 ? D.dimensions[d].segments : []);
    state.period = known("period", D.periods.map((item) => item[0]));
    state.evidence = known("evidence", ["directional", "reportable"]);
    fillSegments();
    apply();
  }
  function write() {
    const said = new URLSearchParams(Object.entries(state).filter(([, value]) => value !== ""));
    history.replaceState(null, "", `#${said}`);
    apply();
  }

  // ---- tables: sort, copy, toggle
  function value(row, at) {
    const cell = row.cells[at];
    const text = (cell?.dataset.v ?? cell?.textContent ?? "").trim();
    const plain = text.replace(/[,%○▲▼◇\u00a0 ]/g, "").replace("−", "-").replace(/^\+/, "");
    const number = Number(plain.split("to")[0]);
    return text === "" ? null : Number.isNaN(number) ? text.toLowerCase() : number;
  }
  // Empty cells stay last in both directions, words come after numbers.
  function compare(x, y, sign) {
    if (x === null || y === null) return (x === null) - (y === null);
    if (typeof x !== typeof y) return typeof x === "number" ? -1 : 1;
    return sign * (x < y ? -1 : x > y ? 1 : 0);
  }
  function sort(head) {
    const table = head.closest("table");
    const at = Array.from(head.parentElement.cells).indexOf(head);
    // First numbers from the largest and names from A, then the other way round.
    const before = head.getAttribute("aria-sort");
    const sign = before === "descending" ? 1 : before === "ascending" || head.classList.contains("num") ? -1 : 1;
    $$("th", table.tHead).forEach((other) => other.removeAttribute("aria-sort"));
    head.setAttribute("aria-sort", sign < 0 ? "descending" : "ascending");
    for (const body of table.tBodies) {
      const list = Array.from(body.rows).filter((row) => !/\b(group|all)\b/.test(row.className));
      list.map((row) => [row, value(row, at)])
        .sort(([, x], [, y]) => compare(x, y, sign))
        .forEach(([row]) => body.append(row));
    }
  }
  async function copy(table, button) {
    const written = (cell) =>
      cell.classList.contains("plot") ? "" : cell.innerText.trim().replace(/\s+/g, " ").replaceAll("−", "-");
    const text = Array.from(table.rows).filter((row) => row.offsetParent !== null)
      .map((row) => Array.from(row.cells).map(written).join("\t")).join("\n");
    try {
      await navigator.clipboard.writeText(text);
    } catch {
      const area = Object.assign(document.createElement("textarea"), { value: text });
      document.body.append(area);
      area.select();
      document.execCommand("copy");
      area.remove();
    }
    button.textContent = "Copied";
    setTimeout(() => { button.textContent = "Copy"; }, 1500);
  }
  function toggleTables() {
    const all = $$("details.behind");
    const open = !all.some((item) => item.open);
    // What is read stays where it is while tables open above it.
    const anchor = $$("h2, h3").find((item) => item.getBoundingClientRect().bottom > 60 && item.offsetParent !== null);
    const before = anchor ? anchor.getBoundingClientRect().top : 0;
    all.forEach((item) => { item.open = open; });
    if (anchor) window.scrollBy({ top: anchor.getBoundingClientRect().top - before, behavior: "instant" });
  }

  // ---- set up
  picks.dimension.innerHTML = options([["", "all"], ...D.dimensions.slice(1).map((item) => [item.code, item.label])]);
  picks.period.innerHTML = options([["", "newest old enough"], ...D.periods.map((item) => [item[0], item[1]])]);
  picks.dimension.addEventListener("change", () => {
    Object.assign(state, { dimension: picks.dimension.value, segment: "" });
    fillSegments();
    write();
  });
  for (const name of names.slice(1)) {
    picks[name].addEventListener("change", () => { state[name] = picks[name].value; write(); });
  }
  const reset = () => { Object.keys(state).forEach((name) => { state[name] = ""; }); fillSegments(); write(); };
  $("#pick-reset").addEventListener("click", reset);
  $("#pick-tables").addEventListener("click", toggleTables);
  const make = (className) => Object.assign(document.createElement("button"), { type: "button", className });
  $$("table.sortable").forEach((table) => {
    $$("thead th:not([data-fixed])", table).forEach((head) => {
      if ($("a", head)) return; // a linked head keeps its link
      const button = make("sort");
      button.title = "Sort";
      button.append(...head.childNodes);
      head.append(button);
      button.addEventListener("click", () => sort(head));
    });
    const button = make("copy");
    button.textContent = "Copy";
    button.addEventListener("click", () => copy(table, button));
    const holder = table.closest("details");
    if (holder) $("summary", holder).after(button);
    else table.closest(".scroll").after(button);
  });
  $$(".block tbody tr[data-segment]").forEach((row) => {
    if (row.classList.contains("all")) return;
    const name = $("th", row);
    if (!name) return;
    name.style.cursor = "pointer";
    name.addEventListener("click", () => {
      Object.assign(state, { dimension: row.closest("[data-dimension]").dataset.dimension, segment: row.dataset.segment });
      fillSegments();
      write();
    });
  });
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    if (event.key === "Escape") { document.activeElement.blur(); reset(); return; }
    if (/^(SELECT|INPUT|TEXTAREA)$/.test(event.target.tagName)) return;
    const name = { d: "dimension", s: "segment", p: "period", e: "evidence" }[event.key];
    if (name) { event.preventDefault(); picks[name].focus(); } else if (event.key === "t") toggleTables();
  });
  window.addEventListener("hashchange", read);
  read();
})();
