// Shows the simulated point that the slider stands on: its figures, and a marker on the curve.
(function () {
  var points = JSON.parse(document.getElementById('what-if-points').textContent).points;
  var slider = document.getElementById('target');
  var chart = document.querySelector('[data-source="figure-what-if"]');
  var places = {'chosen-target': 'target', 'what-if-cost': 'cost', 'what-if-cost-change': 'cost_change',
    'what-if-stock': 'stock', 'what-if-stock-change': 'stock_change', 'what-if-fill': 'fill_rate',
    'what-if-fill-change': 'fill_rate_change'};
  function show() {
    var point = points[Number(slider.value)];
    Object.keys(places).forEach(function (id) {
      document.getElementById(id).textContent = point[places[id]];
    });
    slider.setAttribute('aria-valuetext', point.target + ': cost ' + point.cost);
    if (chart.data) Plotly.restyle(chart, {x: [[point.x]], y: [[point.y]]}, [chart.data.length - 1]);
  }
  slider.addEventListener('input', show);
  document.addEventListener('figures-drawn', show);
  show();
})();
