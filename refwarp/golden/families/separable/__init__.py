"""Golden cases of the family `separable`, and their truth."""
