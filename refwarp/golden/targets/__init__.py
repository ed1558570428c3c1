"""What can be verified: modules with the functions that `refwarp.golden.operations` names."""
