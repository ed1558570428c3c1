"""Grid generators: parameters -> sampling grid (N, H, W, 2)."""
