"""Golden cases of the family `affine_parameters`, and their truth."""
