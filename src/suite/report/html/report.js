
"use strict";
(function () {
  const form = document.getElementById("filter");
  const text = document.getElementById("filter-text");
  const verdict = document.getElementById("filter-verdict");
  const count = document.getElementById("filter-count");
  const rows = Array.from(document.querySelectorAll(".filtered"));
  const words = rows.map(function (row) { return null; });
  const sections = Array.from(document.querySelectorAll(".part-of-spec"));
  const wasOpen = sections.map(function (section) { return section.open; });
  function haystack(index) {
    if (words[index] === null) {
      const section = rows[index].closest(".part-of-spec");
      words[index] = (rows[index].textContent + " " + (section ? section.id : "")).toLowerCase();
    }
    return words[index];
  }
  function apply() {
    const needle = text.value.trim().toLowerCase();
    const wanted = verdict.value;
    const active = needle !== "" || wanted !== "";
    let shown = 0;
    rows.forEach(function (row, index) {
      const fits = (wanted === "" || row.dataset.verdict === wanted) && (needle === "" || haystack(index).includes(needle));
      row.hidden = !fits;
      shown += fits ? 1 : 0;
    });
    sections.forEach(function (section, index) {
      const any = section.querySelector(".filtered:not([hidden])") !== null;
      section.hidden = active && !any;
      section.open = active ? any : wasOpen[index];
    });
    count.textContent = active ? shown + " of " + rows.length : "";
  }
  function reveal() {
    const name = decodeURIComponent(location.hash.slice(1));
    const found = name === "" ? null : document.getElementById(name);
    if (found !== null && found.tagName === "DETAILS") {
      found.open = true;
      found.scrollIntoView();
    }
  }
  form.hidden = false;
  form.addEventListener("submit", function (event) { event.preventDefault(); });
  text.addEventListener("input", apply);
  verdict.addEventListener("change", apply);
  window.addEventListener("hashchange", reveal);
  reveal();
}());
