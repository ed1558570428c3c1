"""Golden cases of the family `affine`, and their truth."""
