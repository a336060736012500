// Draws the figures of a page: ink follows the reader's colour scheme, headings the width at hand.
(function () {
  var dark = window.matchMedia('(prefers-color-scheme: dark)'), printing = false, waiting = false;
  var inks = {'#1b1f24': '#e6e9ec', '#5c6670': '#a3adb7', '#d9dee3': '#363d45', '#0072B2': '#56B4E9',
              '#56B4E9': '#b5ddf5', '#f6f8fa': '#1d2125', '#e6f0f7': '#1d2b36'};
  var known = new RegExp(Object.keys(inks).join('|'), 'g');
  var ruler = document.createElement('canvas').getContext('2d');
  var PAPER = 680;  // pixels between the margins of a page in print

  function recoloured(text) {
    return text.replace(known, function (ink) { return inks[ink]; });
  }
  function wrapped(lines, font, width) {
    var rows = [], row = '';
    ruler.font = font;
    lines.join(' ').replace(/<[^>]*>/g, '').split(/[ \n\t]+/).forEach(function (word) {
      var longer = row ? row + ' ' + word : word;
      if (row && ruler.measureText(longer).width > width) { rows.push(row); row = word; } else { row = longer; }
    });
    return row ? rows.concat(row) : rows;
  }
  // Sets the heading's lines anew for a width, and makes room for them.
  function fitted(layout, width) {
    if (!layout.title || !layout.title.text) return 0;
    var lines = layout.title.text.split('<br>'), family = layout.font.family;
    var bold = lines.filter(function (line) { return line.indexOf('<b>') === 0; });
    var small = lines.filter(function (line) { return line.indexOf('<b>') !== 0; });
    var open = (small[0] || '').match(/^<[^>]*>/);
    var heading = wrapped(bold, 'bold 16px ' + family, width - 20), below = wrapped(small, '13px ' + family, width - 20);
    var extra = 20 * (heading.length - bold.length) + 16 * (below.length - small.length);
    layout.title.text = heading.map(function (row) { return '<b>' + row + '</b>'; }).concat(
      below.map(function (row) { return open ? open[0] + row + '</span>' : row; })).join('<br>');
    layout.margin.t += extra; layout.height += extra;
    if (width <= 520) layout.margin.r = Math.min(layout.margin.r, 16);
    return 28 + 20 * heading.length + 16 * below.length;
  }
  // A legend above the plot, whose entries a narrow page sets one below the other: pixels that it lacks.
  function lacking(element, heading) {
    var full = element._fullLayout, legend = full.legend;
    if (!full.showlegend || !legend || legend.y < 1 || !legend._height) return 0;
    return Math.max(0, Math.ceil(heading + legend._height - full._size.t));
  }
  // Text at the end of a bar or point that a narrow page cuts at the right edge: pixels that it lacks.
  function cut(element, width) {
    var edge = element.getBoundingClientRect().left + width, over = 0;
    element.querySelectorAll('.bartext, .textpoint text').forEach(function (text) {
      var box = text.getBoundingClientRect();
      if (box.left > edge - width / 2) over = Math.max(over, box.right - edge);
    });
    return over > 1 ? Math.min(Math.ceil(over) + 4, width / 4) : 0;
  }
  function draw(element) {
    var text = document.getElementById(element.dataset.source).textContent;
    var chart = JSON.parse(dark.matches && !printing ? recoloured(text) : text);
    var width = printing ? PAPER : element.clientWidth;
    var heading = fitted(chart.layout, width);
    chart.layout.width = width;
    element.style.minHeight = chart.layout.height + 'px';
    element.drawnWidth = width;
    Plotly.react(element, chart.data, chart.layout, {displayModeBar: false});
    var more = lacking(element, heading), right = cut(element, width);
    if (!more && !right) return;
    chart.layout.margin.t += more; chart.layout.height += more; chart.layout.margin.r += right;
    element.style.minHeight = chart.layout.height + 'px';
    Plotly.react(element, chart.data, chart.layout, {displayModeBar: false});
  }
  function drawAll(again) {
    var found = Array.prototype.filter.call(document.querySelectorAll('.figure'), function (element) {
      if (!element.watched) { element.watched = true; sizes.observe(element); }
      return printing || (element.clientWidth > 0 && (again === true || element.drawnWidth !== element.clientWidth));
    });
    found.forEach(draw);
    if (found.length) document.dispatchEvent(new Event('figures-drawn'));
  }
  var sizes = new ResizeObserver(function () {
    if (waiting || printing) return;
    waiting = true;
    window.requestAnimationFrame(function () { waiting = false; drawAll(); });
  });
  window.drawFigures = drawAll;
  dark.addEventListener('change', function () { drawAll(true); });
  window.addEventListener('beforeprint', function () { printing = true; drawAll(true); });
  window.addEventListener('afterprint', function () { printing = false; drawAll(true); });
  drawAll();
})();
