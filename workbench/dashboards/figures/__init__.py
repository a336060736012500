"""Figures of the notebooks: frames in, plotly figures out, one module per capability."""
