// Draws the figures of a page; ink follows the reader's colour scheme.
(function () {
  var dark = window.matchMedia('(prefers-color-scheme: dark)');
  var light = {'#1b1f24': '#e6e9ec', '#5c6670': '#a3adb7', '#d9dee3': '#363d45', '#0072B2': '#56B4E9',
               '#f6f8fa': '#1d2125', '#e6f0f7': '#1d2b36'};
  function recoloured(text) {
    return text.replace(/#1b1f24|#5c6670|#d9dee3|#0072B2|#f6f8fa|#e6f0f7/g, function (c) { return light[c]; });
  }
  function narrowed(layout, width) {
    if (width > 520 || !layout.title || !layout.title.text) return layout;
    var lines = [], size = Math.floor(width / 9.8), small = Math.floor(width / 7.2);
    layout.title.text.split('<br>').forEach(function (line) {
      var heading = line.indexOf('<b>') === 0, words = line.replace(/<[^>]*>/g, '').split(' ');
      var open = heading ? '<b>' : (line.match(/^<[^>]*>/) || [''])[0], close = heading ? '</b>' : '</span>';
      var row = '';
      words.forEach(function (word) {
        if ((row + ' ' + word).length > (heading ? size : small) && row) {
          lines.push(open + row + close); row = word;
        } else { row = row ? row + ' ' + word : word; }
      });
      if (row) lines.push(open + row + close);
    });
    var extra = lines.length - layout.title.text.split('<br>').length;
    layout.title.text = lines.join('<br>');
    layout.margin.t += 20 * extra; layout.height += 20 * extra; layout.margin.r = 12;
    return layout;
  }
  function draw() {
    document.querySelectorAll('.figure').forEach(function (element) {
      var text = document.getElementById(element.dataset.source).textContent;
      var chart = JSON.parse(dark.matches ? recoloured(text) : text);
      var layout = narrowed(chart.layout, element.clientWidth);
      layout.autosize = true; delete layout.width;
      Plotly.react(element, chart.data, layout, {responsive: true, displayModeBar: false});
    });
  }
  draw();
  window.drawFigures = draw;
  dark.addEventListener('change', draw);
})();
