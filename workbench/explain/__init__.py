"""What drives a forecast and the reasons behind a proposal."""
