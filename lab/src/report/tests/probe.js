// In the copy of a report: says how it looks, once it is there.
addEventListener("load", () => {
  document.querySelectorAll("details").forEach((details) => { details.open = true; });
  const charts = [...document.querySelectorAll("svg")];
  const box = (element) => element.getBoundingClientRect();
  const cut = charts.flatMap((svg) => [...svg.querySelectorAll("text")].filter((text) => {
    const [all, own] = [box(svg), box(text)];
    return own.left < all.left - 1 || own.right > all.right + 1 || own.top < all.top - 1 || own.bottom > all.bottom + 1;
  }));
  parent.postMessage({
    width: innerWidth,
    needed: document.scrollingElement.scrollWidth,
    drawn: charts.filter((svg) => box(svg).width > 100 && box(svg).height > 50).length,
    cut: cut.map((text) => text.textContent),
  }, "*");
});
