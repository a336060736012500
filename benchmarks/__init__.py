"""What is measured, against whom; results under `results/`."""
