// In the live page figures arrive after the page: draws them, and moves the marker to the chosen point.
(function () {
  var waiting = false, shown = '';
  function look() {
    waiting = false;
    window.drawFigures();
    var chosen = document.getElementById('chosen-target');
    var chart = document.querySelector('[data-source="figure-what-if"]');
    if (!chosen || !chart || !chart.data) return;
    var point = [Number(chosen.dataset.x), Number(chosen.dataset.y)];
    if (String(point) === shown) return;
    shown = String(point);
    Plotly.restyle(chart, {x: [[point[0]]], y: [[point[1]]]}, [chart.data.length - 1]);
  }
  function later() {
    if (!waiting) { waiting = true; window.requestAnimationFrame(look); }
  }
  document.addEventListener('figures-drawn', function () { shown = ''; later(); });
  new MutationObserver(later).observe(document.body,
    {childList: true, subtree: true, attributes: true, attributeFilter: ['data-x', 'style']});
  later();
})();
