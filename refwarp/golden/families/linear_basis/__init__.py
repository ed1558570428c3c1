"""Golden cases of the family `linear_basis`, and their truth."""
