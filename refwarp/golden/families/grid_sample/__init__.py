"""Golden cases of the family `grid_sample`, and their truth."""
