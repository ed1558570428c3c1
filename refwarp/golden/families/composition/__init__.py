"""Golden cases of the family `composition`, and their truth."""
