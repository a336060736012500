// Narrows the list of decisions to those that hold every word of the search.
(function () {
  var find = document.getElementById('find'), state = document.getElementById('state');
  var rows = Array.prototype.slice.call(document.querySelectorAll('.decisions tr'));
  function narrow() {
    var words = find.value.toLowerCase().split(/\s+/).filter(Boolean), seen = 0;
    rows.forEach(function (row) {
      var text = row.textContent.toLowerCase();
      row.hidden = !words.every(function (word) { return text.indexOf(word) >= 0; });
      if (!row.hidden) seen += 1;
    });
    state.textContent = !rows.length ? 'No decision yet: the log begins with the first run that proposes.'
      : seen ? seen + ' of ' + rows.length : 'None of these: older ones are found with workbench trace.';
  }
  find.addEventListener('input', narrow);
  narrow();
})();
