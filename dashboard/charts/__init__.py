"""Charts as Plotly figures: pure functions from plain numbers to plain dicts, drawn by static/js/charts.js."""
