"""Golden cases of the family `piecewise_affine`, and their truth."""
