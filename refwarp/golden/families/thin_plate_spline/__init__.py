"""Golden cases of the family `thin_plate_spline`, and their truth."""
