"""Theme, figures, panels and published pages."""
